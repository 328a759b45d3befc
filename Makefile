# convscope - `make help` lists the targets.
#
# Everything is built into build/<mode>/, where mode is release, debug, asan, tsan or
# coverage.
MODE ?= release
PORT ?= 8080
B    := build/$(MODE)

FLAGS_release  := -O3 -DNDEBUG
FLAGS_debug    := -O0 -g3
FLAGS_asan     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan     := -O1 -g -fsanitize=thread
FLAGS_coverage := -O0 -g --coverage
$(if $(FLAGS_$(MODE)),,$(error unknown MODE '$(MODE)': use release, debug, asan, tsan or coverage))

# What Debian must supply. Building and serving need the first list, tests the second too.
PACKAGES      := gcc libc6-dev pkg-config libmicrohttpd-dev libcjson-dev libpng-dev \
                 libjpeg62-turbo-dev libwebp-dev libisal-dev libzip-dev libcairo2-dev \
                 libfreetype-dev fonts-dejavu-core libgif-dev
TEST_PACKAGES := $(PACKAGES) libcriterion-dev python3 python3-numpy python3-pil curl \
                 libjpeg-turbo-progs webp pngcheck librsvg2-bin poppler-utils \
                 gifsicle
HOSTILE_PACKAGES := $(TEST_PACKAGES) prometheus faketime strace
LINT_PACKAGES := $(PACKAGES) clang clang-format shellcheck
FRESH_PACKAGES := debootstrap curl python3
ARM64_PACKAGES := $(PACKAGES) gcc-aarch64-linux-gnu qemu-user-static
CONTAINER_PACKAGES := docker.io docker-compose iptables debootstrap curl python3
NODE_PACKAGES := $(PACKAGES) $(if $(shell command -v npm),,npm)
BROWSER_PACKAGES := $(NODE_PACKAGES) chromium

NPM_INSTALL = npm install --ignore-scripts --no-package-lock --no-audit --no-fund --silent

BENCH_PACKAGES := $(NODE_PACKAGES) g++ libdnnl-dev libopencv-dev libxnnpack-dev libpthreadpool-dev \
                  libspng-dev libdeflate-dev
BENCH_NPM      := onnxruntime-node@1.30.0

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wvla -Wcast-qual -Wwrite-strings -Werror
LIBS     := libmicrohttpd libcjson libpng libjpeg libwebp libwebpdemux libisal libzip \
            cairo-ft freetype2
JOBS      = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
COMMIT   := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

C  = $(CC) -std=gnu17 $(WARNINGS) -ffp-contract=off -I. $(FLAGS_$(MODE)) $(CFLAGS)
LD = $(CC) $(FLAGS_$(MODE)) $(LDFLAGS)
LDLIBS = $(shell pkg-config --libs $(LIBS)) -lgif -lm -pthread

# The instruction sets of the machine that is built for; asked for when they are wanted,
# as the compiler may be installed by then.
ARCH    = $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
ISAS_x86_64  := avx2 avx512
ISAS_aarch64 := neon
ISAS    = portable $(ISAS_$(ARCH))

ENGINE := $(patsubst %.c,$(B)/%.o,$(filter-out engine/kernels_%,$(wildcard engine/*.c)) \
                                  $(ISAS:%=engine/kernels_%.c))
API    := $(patsubst %.c,$(B)/%.o,$(wildcard api/*.c))
SERVER := $(patsubst %.c,$(B)/%.o,$(wildcard server/*.c))
WEB    := $(wildcard server/web/*)
SOURCES := $(wildcard engine/*.[ch] api/*.[ch] server/*.[ch] tests/*/*.[ch] tests/bench/*.cc)
UNITS  := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
PROPERTY  := $(patsubst %.c,$(B)/%.o,$(wildcard tests/property/*.c))
REFERENCE := $(filter $(B)/tests/property/reference%,$(PROPERTY))

## all: build the server
.PHONY: all
all: $(B)/convscope

## run: install what is missing, build, and serve on PORT (8080)
.PHONY: run
run: deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@exec $(B)/convscope --bind :$(PORT) --log-format text

## test: install what is missing, build, and run every quick test
.PHONY: test
test: test-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all $(if $(filter tsan,$(MODE)),stress,units)
	@ISAS='$(ISAS)' tests/run.sh $(MODE)

## test-asan: the unit and HTTP tests under AddressSanitizer and UBSan
## test-tsan: the workers' stress program and the server under load, under TSan
.PHONY: test-asan test-tsan
test-asan test-tsan:
	@$(MAKE) --no-print-directory MODE=$(@:test-%=%) test

## test-hostile: the hostile checks in full, and overload; minutes, on a quiet machine
## soak: everything hostile at once for MINUTES (30), and the slope of memory
.PHONY: test-hostile soak
MINUTES ?= 30
test-hostile soak: hostile-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@CONVSCOPE_SOAK_MINUTES=$(MINUTES) tests/run.sh $(@:test-%=%) $(MODE)

## coverage: the quick tests on an instrumented build, and the branches they take
.PHONY: coverage
coverage:
	@$(MAKE) --no-print-directory MODE=coverage test

## test-isas: the lesson's tests with each instruction set forced
.PHONY: test-isas
test-isas: test-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@ISAS='$(ISAS)' tests/run.sh isas

## test-property: COUNT (10000) random networks from SEED on against definitions
.PHONY: test-property
COUNT ?= 10000
SEED  ?= 1
test-property: test-deps
	@$(MAKE) --no-print-directory -s $(JOBS) $(B)/tests/property/property
	@$(B)/tests/property/property --seed $(SEED) --count $(COUNT)

## test-browser: the page in a real browser
.PHONY: test-browser
test-browser: browser-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@cd tests/browser && CONVSCOPE_BIN=$(abspath $(B))/convscope npm test --silent

## test-schema: the JSON Schema of configs, by a validator, against the server
.PHONY: test-schema
test-schema: schema-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@cd tests/schema && CONVSCOPE_BIN=$(abspath $(B))/convscope npm test --silent

## test-arm64: the unit tests and random networks for 64-bit ARM, on an emulator
.PHONY: test-arm64
test-arm64: arm64-deps
	@tests/arm64.sh $(filter lib%,$(PACKAGES)) libcriterion-dev

## bench: the engine against the machine's limits and the peers that are installed
##        (ROWS=regex THREADS=1 QUICK=1 JSON=file MARKDOWN=1)
## bench-peers: install the peers: oneDNN, OpenCV, XNNPACK, libspng, libdeflate from Debian,
##        ONNX Runtime from npm
.PHONY: bench bench-peers
bench: deps
	@$(MAKE) --no-print-directory -s $(JOBS) $(B)/tests/bench/bench
	@$(B)/tests/bench/bench $(if $(ROWS),--rows '$(ROWS)') $(if $(JSON),--json '$(JSON)') \
	    $(if $(THREADS),--threads $(THREADS)) $(if $(QUICK),--quick) $(if $(MARKDOWN),--markdown)
bench-peers:
	@deploy/install-packages.sh $(BENCH_PACKAGES)
	@[ -f $(ORT) ] || $(NPM_INSTALL) --prefix build/peers $(BENCH_NPM)

## test-container: build the image, run it as compose does, check it (needs root)
.PHONY: test-container
test-container: container-deps
	@tests/container.sh

## test-fresh: both commands of the README in a fresh Debian 12 (needs root)
.PHONY: test-fresh
test-fresh: fresh-deps
	@tests/fresh.sh

## image: build the container image convscope:latest
.PHONY: image
image:
	docker build --build-arg COMMIT=$(COMMIT) -t convscope:latest .

## lint: format, layering, headers, names, sizes, and clang without a warning
.PHONY: lint
lint: lint-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all $(B)/tests/bench/bench
	@WARNINGS='$(WARNINGS)' tests/lint.sh $(B)

## docs-pictures: let the service draw the README's pictures
.PHONY: docs-pictures
docs-pictures: test-deps
	@$(MAKE) --no-print-directory -s $(JOBS) all
	@CONVSCOPE_BIN=$(abspath $(B))/convscope PYTHONDONTWRITEBYTECODE=1 \
	    /usr/bin/python3 tests/http/docs_pictures.py

## format: let clang-format rewrite the sources
.PHONY: format
format: lint-deps
	@clang-format -i $(SOURCES)

.PHONY: units stress
units: $(UNITS) $(B)/tests/property/property
stress: $(B)/tests/stress/stress_workers

## deps: install the Debian packages that building needs, if any is missing
.PHONY: deps test-deps hostile-deps lint-deps fresh-deps container-deps browser-deps
.PHONY: schema-deps arm64-deps
deps:
	@deploy/install-packages.sh $(PACKAGES)
test-deps:
	@deploy/install-packages.sh $(TEST_PACKAGES)
hostile-deps:
	@deploy/install-packages.sh $(HOSTILE_PACKAGES)
lint-deps:
	@deploy/install-packages.sh $(LINT_PACKAGES)
fresh-deps:
	@deploy/install-packages.sh $(FRESH_PACKAGES)
arm64-deps:
	@deploy/install-packages.sh $(ARM64_PACKAGES)
container-deps:
	@deploy/install-packages.sh $(CONTAINER_PACKAGES)
browser-deps:
	@deploy/install-packages.sh $(BROWSER_PACKAGES)
	@cd tests/browser && [ -d node_modules/playwright-core ] || $(NPM_INSTALL)
schema-deps:
	@deploy/install-packages.sh $(NODE_PACKAGES)
	@cd tests/schema && [ -d node_modules/ajv ] || $(NPM_INSTALL)

## help: show this list
.PHONY: help
help:
	@sed -n 's/^## \([a-z0-9-]*\): \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

## clean: remove everything that was built
.PHONY: clean
clean:
	rm -rf build

$(B)/convscope: $(SERVER) $(API) $(ENGINE)
	$(LD) -o $@ $^ $(LDLIBS)

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(REFERENCE) $(API) $(ENGINE)
	$(LD) -o $@ $^ $(LDLIBS) -lcriterion

$(B)/tests/property/property: $(PROPERTY) $(API) $(ENGINE)
	$(LD) -o $@ $^ $(LDLIBS)

$(B)/tests/stress/stress_workers: $(B)/tests/stress/stress_workers.o $(B)/server/workers.o
	$(LD) -o $@ $^ -pthread

# The bench: with a peer for each library that is installed. Of ONNX Runtime npm brings
# no more than the library.
ORT_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(ARCH)))
ORT_DIR := build/peers/node_modules/onnxruntime-node/bin/napi-v6/linux/$(ORT_ARCH)
ORT     := $(ORT_DIR)/libonnxruntime.so.1
PEERS := $(if $(wildcard /usr/include/oneapi/dnnl/dnnl.hpp),onednn) \
         $(if $(wildcard /usr/include/opencv4/opencv2/imgproc.hpp),opencv imgproc) \
         $(and $(wildcard /usr/include/xnnpack.h),$(wildcard /usr/include/pthreadpool.h),xnnpack) \
         $(if $(wildcard $(ORT)),onnxruntime) \
         $(if $(wildcard /usr/include/opencv4/opencv2/imgcodecs.hpp),imgcodecs) \
         $(if $(wildcard /usr/include/spng.h),libspng) \
         $(if $(wildcard /usr/include/libdeflate.h),libdeflate)
PEER_LIBS_onednn  := -ldnnl -lgomp
PEER_LIBS_opencv  := -lopencv_imgproc -lopencv_core
PEER_LIBS_imgproc := $(PEER_LIBS_opencv)
PEER_LIBS_xnnpack := -lXNNPACK -lpthreadpool
PEER_LIBS_onnxruntime := -L$(ORT_DIR) -l:$(notdir $(ORT)) -Wl,-rpath,$(abspath $(ORT_DIR))
PEER_LIBS_imgcodecs   := -lopencv_imgcodecs -lopencv_core
PEER_LIBS_libspng     := -lspng
PEER_LIBS_libdeflate  := -ldeflate
PEER_OBJECTS := $(PEERS:%=$(B)/tests/bench/peer_%.o)
FOREIGN := $(addprefix tests/bench/peer_,xnnpack.c onnxruntime.c libspng.c libdeflate.c)
BENCH := $(patsubst %.c,$(B)/%.o,$(filter-out $(FOREIGN),$(wildcard tests/bench/*.c))) \
         $(B)/server/workers.o

$(B)/tests/bench/bench: $(BENCH) $(PEER_OBJECTS) $(API) $(ENGINE)
	$(if $(filter onednn opencv img%,$(PEERS)),$(CXX),$(CC)) $(FLAGS_$(MODE)) $(LDFLAGS) -o $@ $^ \
	    $(foreach peer,$(PEERS),$(PEER_LIBS_$(peer))) $(LDLIBS) -lz

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) -std=gnu++17 -Wall -Wextra -Werror -I. -isystem /usr/include/opencv4 \
	    $(FLAGS_$(MODE)) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# The files of the page: a numbered line for each, which server/pages.c makes data of.
$(B)/server/web.inc: server/web $(WEB)
	@mkdir -p $(@D)
	@n=0; for f in $(notdir $(WEB)); do echo "PAGE($$n, \"$$f\")"; n=$$((n + 1)); done >$@
$(B)/server/pages.o: C += -I$(B)/server
$(B)/server/pages.o: $(B)/server/web.inc $(WEB)

# An instruction set is a file compiled with the flags that allow it.
$(B)/engine/kernels_avx2.o:   C += -mavx2 -mfma
$(B)/engine/kernels_avx512.o: C += -mavx512f -mfma -mprefer-vector-width=512

# gcc for ARM moves loads ahead before it hands out registers, and sums then leave them.
$(B)/engine/kernels_neon.o: C += -fno-schedule-insns -Wno-ignored-optimization-argument

# gcc 12 for ARM breaks down at some definitions: "in vect_transform_reduction".
ifeq ($(ARCH),aarch64)
$(B)/tests/unit/%.o $(B)/tests/property/%.o: C += -fno-tree-vectorize
endif

# The server asks Linux for what POSIX does not name: CPUs, cgroups, epoll.
$(B)/server/%.o: C += -D_GNU_SOURCE

# Figures are drawn by cairo; their font becomes part of the binary.
FONTS := /usr/share/fonts/truetype/dejavu
$(B)/api/canvas.o $(B)/api/canvas_version.o: C += $(shell pkg-config --cflags cairo-ft freetype2)
$(B)/api/font.o:   C += -DFONTS='"$(FONTS)"'

# Only what shows the commit depends on it.
$(B)/api/catalogue.o $(B)/server/metrics.o: C += -DCONVSCOPE_COMMIT='"$(COMMIT)"'

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(C) -MMD -MP -c -o $@ $<

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
