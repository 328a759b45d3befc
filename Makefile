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
PACKAGES      := gcc libc6-dev pkg-config libmicrohttpd-dev libcjson-dev libpng-dev libisal-dev libzip-dev
TEST_PACKAGES := $(PACKAGES) libcriterion-dev python3 python3-numpy curl
LINT_PACKAGES := $(PACKAGES) clang clang-format
FRESH_PACKAGES := debootstrap

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wvla -Wcast-qual -Wwrite-strings -Werror
LIBS     := libmicrohttpd libcjson libpng libisal libzip
COMMIT   := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

C  = $(CC) -std=gnu17 $(WARNINGS) -ffp-contract=off -I. $(FLAGS_$(MODE)) $(CFLAGS)
LD = $(CC) $(FLAGS_$(MODE)) $(LDFLAGS)
LDLIBS = $(shell pkg-config --libs $(LIBS)) -lm -pthread

ENGINE := $(patsubst %.c,$(B)/%.o,$(wildcard engine/*.c))
API    := $(patsubst %.c,$(B)/%.o,$(wildcard api/*.c))
SERVER := $(patsubst %.c,$(B)/%.o,$(wildcard server/*.c))
UNITS  := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
ISAS   := $(patsubst engine/kernels_%.c,%,$(filter-out engine/kernels_body.c,$(wildcard engine/kernels_*.c)))

ifneq ($(filter x86_64 amd64,$(shell uname -m)),x86_64)
ENGINE := $(filter-out %/kernels_avx2.o %/kernels_avx512.o,$(ENGINE))
endif

## all: build the server
.PHONY: all
all: $(B)/convscope

## run: install what is missing, build, and serve on PORT (8080)
.PHONY: run
run: deps
	@$(MAKE) --no-print-directory -s all
	@exec $(B)/convscope --bind :$(PORT)

## test: install what is missing, build, and run every quick test
.PHONY: test
test: test-deps
	@$(MAKE) --no-print-directory -s all units
	@tests/run.sh $(MODE)

.PHONY: units
units: $(UNITS)

## deps: install the Debian packages that building needs, if any is missing
.PHONY: deps test-deps lint-deps
deps:
	@deploy/install-packages.sh $(PACKAGES)
test-deps:
	@deploy/install-packages.sh $(TEST_PACKAGES)
lint-deps:
	@deploy/install-packages.sh $(LINT_PACKAGES)

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

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(API) $(ENGINE)
	$(LD) -o $@ $^ $(LDLIBS) -lcriterion

# An instruction set is a file compiled with the flags that allow it.
$(B)/engine/kernels_avx2.o:   C += -mavx2 -mfma
$(B)/engine/kernels_avx512.o: C += -mavx512f -mfma -mprefer-vector-width=512

# Only what shows the commit depends on it.
$(B)/api/catalogue.o: C += -DCONVSCOPE_COMMIT='"$(COMMIT)"'

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(C) -MMD -MP -c -o $@ $<

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
