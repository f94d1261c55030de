/* Write scorers for scorehost in C.
 *
 * Short names over the bindings that `scorehost scorer build` generates from the world (entry_script.h or scorer.h; those may be
 * used beside these). A scorer defines its functions and exports them with SH_ENTRY_SCRIPT or SH_SCORER.
 *
 * Functions that can fail return false and fill a sh_failure, with a message that the caller of the scorer reads; return it on as it
 * is. Tensors are handles: passing one to a model or returning it copies nothing; only sh_tensor_create and sh_tensor_data copy
 * elements, once. What a function hands out is the scorer's to free or drop, except what a scorer returns from its exports. */
#ifndef SCOREHOST_H
#define SCOREHOST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SCOREHOST_WORLD_SCORER
#include "scorer.h"
#define SH_WORLD(name) scorer_##name
#else
#include "entry_script.h"
#define SH_WORLD(name) entry_script_##name
#endif

typedef SH_WORLD(string_t) sh_string;
typedef SH_WORLD(list_u8_t) sh_bytes;
typedef SH_WORLD(list_u64_t) sh_shape;
typedef SH_WORLD(failure_t) sh_failure;
typedef scorehost_scoring_tensors_own_tensor_t sh_tensor;
typedef scorehost_scoring_models_own_model_t sh_model;

typedef enum {
    SH_BOOL, SH_U8, SH_U16, SH_U32, SH_U64, SH_I8, SH_I16, SH_I32, SH_I64, SH_FP16, SH_BF16, SH_FP32, SH_FP64, SH_BYTES
} sh_dtype;

typedef enum {
    SH_INVALID_INPUT, SH_NOT_FOUND, SH_UNSUPPORTED, SH_OVERLOADED, SH_DEADLINE, SH_UNAVAILABLE, SH_INTERNAL
} sh_kind;

typedef enum { SH_TRACE, SH_DEBUG, SH_INFO, SH_WARN, SH_ERROR } sh_level;

/* Refers to a text without copying it. */
static inline sh_string sh_text(const char *text) {
    sh_string string = { (uint8_t *)text, strlen(text) };
    return string;
}

/* A copy of a text, for what is returned to the host. */
static inline sh_string sh_copy(const char *text) {
    sh_string string = { malloc(strlen(text) + 1), strlen(text) };
    memcpy(string.ptr, text, string.len + 1);
    return string;
}

/* Fills a failure; always false, so that `return sh_fail(…)` ends a function. */
static inline bool sh_fail(sh_failure *failure, sh_kind kind, const char *message) {
    failure->kind = kind;
    failure->message = sh_copy(message);
    return false;
}

/* Writes a line to the service's log, in the form of printf; 1023 bytes at most. */
#define SH_LOG(level, ...)                                   \
    do {                                                     \
        char sh_line[1024];                                  \
        snprintf(sh_line, sizeof sh_line, __VA_ARGS__);      \
        sh_string sh_message = sh_text(sh_line);             \
        scorehost_scoring_log_write(level, &sh_message);     \
    } while (0)

/* Makes a tensor from `bytes` bytes of elements, row-major, little-endian; one copy into the host. */
static inline bool sh_tensor_create(sh_dtype dtype, const uint64_t *shape, size_t rank, const void *data, size_t bytes,
                                    sh_tensor *tensor, sh_failure *failure) {
    sh_shape dimensions = { (uint64_t *)shape, rank };
    sh_bytes content = { (uint8_t *)data, bytes };
    return scorehost_scoring_tensors_static_tensor_create(dtype, &dimensions, &content, tensor, failure);
}

/* Dimensions of a tensor; free the result's ptr. */
static inline sh_shape sh_tensor_shape(sh_tensor tensor) {
    sh_shape shape;
    scorehost_scoring_tensors_method_tensor_shape(scorehost_scoring_tensors_borrow_tensor(tensor), &shape);
    return shape;
}

/* Element type of a tensor. */
static inline sh_dtype sh_tensor_dtype(sh_tensor tensor) {
    return (sh_dtype)scorehost_scoring_tensors_method_tensor_dtype(scorehost_scoring_tensors_borrow_tensor(tensor));
}

/* Copies all elements; free the result's ptr. */
static inline sh_bytes sh_tensor_data(sh_tensor tensor) {
    sh_bytes data;
    scorehost_scoring_tensors_method_tensor_data(scorehost_scoring_tensors_borrow_tensor(tensor), &data);
    return data;
}

/* Gives a handle back. */
static inline void sh_tensor_drop(sh_tensor tensor) { scorehost_scoring_tensors_tensor_drop_own(tensor); }

/* Opens a model of the deployment by `name` or `name:version`; once, in init. */
static inline bool sh_model_open(const char *name, sh_model *model, sh_failure *failure) {
    sh_string text = sh_text(name);
    return scorehost_scoring_models_static_model_open(&text, model, failure);
}

/* Runs a model on one input and hands out one of its outputs. */
static inline bool sh_model_run(sh_model model, const char *input, sh_tensor value, const char *output, sh_tensor *result,
                                sh_failure *failure) {
    scorehost_scoring_models_tuple2_string_borrow_tensor_t pair = { sh_text(input), scorehost_scoring_tensors_borrow_tensor(value) };
    scorehost_scoring_models_list_tuple2_string_borrow_tensor_t inputs = { &pair, 1 };
    sh_string name = sh_text(output);
    SH_WORLD(list_string_t) outputs = { &name, 1 };
    scorehost_scoring_models_list_named_tensor_t results;
    if (!scorehost_scoring_models_method_model_run(scorehost_scoring_models_borrow_model(model), &inputs, &outputs, &results, failure))
        return false;
    *result = results.ptr[0].tensor;
    free(results.ptr[0].name.ptr);
    free(results.ptr);
    return true;
}

#ifndef SCOREHOST_WORLD_SCORER

typedef entry_script_http_request_t sh_request;
typedef entry_script_http_response_t sh_response;

/* Answers with a status and a copy of a text. */
static inline bool sh_answer(sh_response *response, uint16_t status, const char *body) {
    sh_string copy = sh_copy(body);
    memset(response, 0, sizeof *response);
    response->status = status;
    response->body.ptr = copy.ptr;
    response->body.len = copy.len;
    return true;
}

/* Exports `bool init(sh_failure *)` and `bool run(const sh_request *, sh_response *, sh_failure *)` as an entry script. */
#define SH_ENTRY_SCRIPT(init, run)                                                                                     \
    bool exports_entry_script_init(entry_script_failure_t *err) { return init(err); }                                  \
    void exports_entry_script_describe(entry_script_description_t *ret) { memset(ret, 0, sizeof *ret); }               \
    bool exports_entry_script_run(sh_request *request, sh_response *ret, entry_script_failure_t *err) {                \
        bool good = run(request, ret, err);                                                                            \
        entry_script_http_request_free(request);                                                                       \
        return good;                                                                                                   \
    }

#else

typedef scorer_list_named_tensor_t sh_tensors;
typedef scorer_signature_t sh_signature;
typedef scorer_tensor_spec_t sh_spec;

/* Describes an input or output; -1 stands for a dimension that varies. */
static inline sh_spec sh_spec_of(const char *name, sh_dtype dtype, const int64_t *shape, size_t rank) {
    sh_spec spec = { .name = sh_copy(name), .dtype = dtype };
    spec.shape.ptr = malloc(rank * sizeof *shape);
    spec.shape.len = rank;
    memcpy(spec.shape.ptr, shape, rank * sizeof *shape);
    return spec;
}

/* A signature of one input and one output. */
static inline void sh_signature_of(sh_signature *signature, sh_spec input, sh_spec output) {
    signature->inputs.ptr = malloc(sizeof input);
    signature->outputs.ptr = malloc(sizeof output);
    signature->inputs.len = signature->outputs.len = 1;
    signature->inputs.ptr[0] = input;
    signature->outputs.ptr[0] = output;
}

/* The input of that name; it stays owned by the inputs. */
static inline bool sh_input(const sh_tensors *inputs, const char *name, sh_tensor *tensor, sh_failure *failure) {
    for (size_t i = 0; i < inputs->len; i++) {
        sh_string found = inputs->ptr[i].name;
        if (found.len == strlen(name) && memcmp(found.ptr, name, found.len) == 0) {
            *tensor = inputs->ptr[i].tensor;
            return true;
        }
    }
    return sh_fail(failure, SH_INVALID_INPUT, "an input is missing");
}

/* Returns one output; its handle passes to the host. */
static inline bool sh_output(sh_tensors *outputs, const char *name, sh_tensor tensor) {
    outputs->ptr = malloc(sizeof *outputs->ptr);
    outputs->len = 1;
    outputs->ptr[0].name = sh_copy(name);
    outputs->ptr[0].tensor = tensor;
    return true;
}

/* Exports `bool init(sh_failure *)`, `void signature(sh_signature *)` and
 * `bool run(const sh_tensors *, sh_tensors *, sh_failure *)` as a scorer of tensors. */
#define SH_SCORER(init, signature_of, run)                                                                             \
    bool exports_scorer_init(scorer_failure_t *err) { return init(err); }                                              \
    void exports_scorer_signature(scorer_signature_t *ret) { signature_of(ret); }                                      \
    bool exports_scorer_run(sh_tensors *inputs, sh_tensors *ret, scorer_failure_t *err) {                              \
        bool good = run(inputs, ret, err);                                                                             \
        scorer_list_named_tensor_free(inputs);                                                                         \
        return good;                                                                                                   \
    }

#endif
#endif
