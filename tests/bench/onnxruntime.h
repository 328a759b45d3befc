/*
 * onnxruntime.h - the functions of ONNX Runtime's C interface that the bench calls.
 *
 * Its package for Node.js brings the library, but no headers. The interface is a table
 * of functions that only ever grows at its end, so each has its place for good; what is
 * not called here is left out by number.
 */
#ifndef BENCH_ONNXRUNTIME_H
#define BENCH_ONNXRUNTIME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct ort_env;
struct ort_memory_info;
struct ort_options;
struct ort_session;
struct ort_status; /* what a function returns that failed, else NULL */
struct ort_value;

/* The version of the table that is asked for: the first with all that is here. */
enum { ORT_TABLE = 4 };

enum { ORT_LOG_ERROR = 3 };
enum { ORT_ARENA_ALLOCATOR = 1, ORT_MEMORY_DEFAULT = 0 };
enum { ORT_FLOAT = 1 };

typedef void ort_unused(void);

struct ort_api {
    ort_unused *before_2[2];
    const char *(*message)(const struct ort_status *status);
    struct ort_status *(*env_new)(int log_level, const char *name,
                                  struct ort_env **env);
    ort_unused *before_8[4];
    struct ort_status *(*session_new)(const struct ort_env *env, const void *model,
                                      size_t size, const struct ort_options *options,
                                      struct ort_session **session);
    struct ort_status *(*run)(struct ort_session *session, const void *run_options,
                              const char *const *input_names,
                              const struct ort_value *const *inputs, size_t n_inputs,
                              const char *const *output_names, size_t n_outputs,
                              struct ort_value **outputs);
    struct ort_status *(*options_new)(struct ort_options **options);
    ort_unused *before_24[13];
    struct ort_status *(*options_set_threads)(struct ort_options *options, int threads);
    ort_unused *before_49[24];
    struct ort_status *(*tensor_new)(const struct ort_memory_info *info, void *values,
                                     size_t bytes, const int64_t *dims, size_t rank,
                                     int type, struct ort_value **value);
    ort_unused *before_69[19];
    struct ort_status *(*cpu_memory_info)(int allocator, int memory,
                                          struct ort_memory_info **info);
    ort_unused *before_93[23];
    void (*status_free)(struct ort_status *status);
    void (*memory_info_free)(struct ort_memory_info *info);
    void (*session_free)(struct ort_session *session);
    void (*value_free)(struct ort_value *value);
    ort_unused *before_100[3];
    void (*options_free)(struct ort_options *options);
    ort_unused *before_130[29];
    struct ort_status *(*options_set)(struct ort_options *options, const char *key,
                                      const char *value);
};

static_assert(offsetof(struct ort_api, options_set) == 130 * sizeof(ort_unused *),
              "a place was miscounted");

struct ort_api_base {
    const struct ort_api *(*table)(uint32_t version);
    const char *(*version)(void);
};

extern const struct ort_api_base *OrtGetApiBase(void);

#endif
