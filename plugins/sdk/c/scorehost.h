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

/* The value of a variable of the deployment as a text to free; NULL where it is not set. */
static inline char *sh_variable(const char *name) {
    sh_string text = sh_text(name), value;
    if (!scorehost_scoring_context_variable(&text, &value))
        return NULL;
    char *copy = malloc(value.len + 1);
    memcpy(copy, value.ptr, value.len);
    copy[value.len] = 0;
    free(value.ptr);
    return copy;
}

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

/* A second handle to the same elements; no copy. */
static inline sh_tensor sh_tensor_share(sh_tensor tensor) {
    return scorehost_scoring_tensors_method_tensor_share(scorehost_scoring_tensors_borrow_tensor(tensor));
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

/* Operations that run in the host: handles in, a new handle out, no element in the scorer's memory. Each returns false and fills the
 * failure where dtypes, shapes or arguments do not work, or the result is more than the scorer may hold. Negative axes count from
 * the back. */

typedef enum { SH_ADD, SH_SUBTRACT, SH_MULTIPLY, SH_DIVIDE, SH_MINIMUM, SH_MAXIMUM } sh_operator;
typedef enum { SH_LESS, SH_LESS_EQUAL, SH_GREATER, SH_GREATER_EQUAL, SH_EQUAL, SH_NOT_EQUAL } sh_comparison;
typedef enum { SH_SUM, SH_MEAN, SH_MAX, SH_MIN } sh_reduction;
typedef enum { SH_CHANNELS_LAST, SH_CHANNELS_FIRST } sh_layout;
typedef enum { SH_NEAREST, SH_BILINEAR, SH_BICUBIC } sh_interpolation;
typedef enum { SH_GREY, SH_RGB, SH_BGR, SH_RGBA } sh_color;
typedef enum { SH_CORNERS, SH_CORNERS_YX, SH_CENTER } sh_box_format;
typedef scorehost_operations_arrays_range_t sh_range;
typedef scorehost_operations_images_rectangle_t sh_rectangle;
typedef scorehost_operations_images_point_t sh_point;
typedef scorehost_operations_images_sampling_t sh_sampling;
typedef scorehost_operations_images_normalization_t sh_normalization;
typedef scorehost_operations_images_letterboxed_t sh_letterboxed;
typedef scorehost_operations_detection_suppression_t sh_suppression;

#define SH_ARRAYS(name) scorehost_operations_arrays_##name
#define SH_IMAGES(name) scorehost_operations_images_##name

static inline scorehost_scoring_tensors_borrow_tensor_t sh_borrow(sh_tensor tensor) {
    return scorehost_scoring_tensors_borrow_tensor(tensor);
}

/* The same numbers as another dtype. */
static inline bool sh_cast(sh_tensor value, sh_dtype to, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(cast)(sh_borrow(value), to, result, failure);
}

/* Axes in another order: for each axis of the result, the axis of `value`. */
static inline bool sh_transpose(sh_tensor value, const uint32_t *axes, size_t rank, sh_tensor *result, sh_failure *failure) {
    SH_WORLD(list_u32_t) list = { (uint32_t *)axes, rank };
    return SH_ARRAYS(transpose)(sh_borrow(value), &list, result, failure);
}

/* A part of the leading axes. */
static inline bool sh_slice_axes(sh_tensor value, const sh_range *ranges, size_t count, sh_tensor *result, sh_failure *failure) {
    scorehost_operations_arrays_list_range_t list = { (sh_range *)ranges, count };
    return SH_ARRAYS(slice)(sh_borrow(value), &list, result, failure);
}

/* Most tensors that sh_concat and sh_stack take at once. */
#define SH_MAX_TENSORS 64

static inline bool sh_borrow_all(const sh_tensor *values, size_t count, scorehost_scoring_tensors_borrow_tensor_t *handles,
                                 sh_failure *failure) {
    if (count > SH_MAX_TENSORS)
        return sh_fail(failure, SH_INVALID_INPUT, "more than 64 tensors at once");
    for (size_t i = 0; i < count; i++)
        handles[i] = sh_borrow(values[i]);
    return true;
}

/* Tensors one behind the other along an axis they have. */
static inline bool sh_concat(const sh_tensor *values, size_t count, int32_t axis, sh_tensor *result, sh_failure *failure) {
    scorehost_scoring_tensors_borrow_tensor_t handles[SH_MAX_TENSORS];
    scorehost_operations_arrays_list_borrow_tensor_t list = { handles, count };
    return sh_borrow_all(values, count, handles, failure) && SH_ARRAYS(concat)(&list, axis, result, failure);
}

/* Tensors of one shape along a new axis. */
static inline bool sh_stack(const sh_tensor *values, size_t count, int32_t axis, sh_tensor *result, sh_failure *failure) {
    scorehost_scoring_tensors_borrow_tensor_t handles[SH_MAX_TENSORS];
    scorehost_operations_arrays_list_borrow_tensor_t list = { handles, count };
    return sh_borrow_all(values, count, handles, failure) && SH_ARRAYS(stack)(&list, axis, result, failure);
}

/* Tensors of one rank along a new first axis, each filled up to the greatest length of each axis. */
static inline bool sh_stack_padded(const sh_tensor *values, size_t count, double fill, sh_tensor *result, sh_failure *failure) {
    scorehost_scoring_tensors_borrow_tensor_t handles[SH_MAX_TENSORS];
    scorehost_operations_arrays_list_borrow_tensor_t list = { handles, count };
    sh_shape largest = { NULL, 0 };
    return sh_borrow_all(values, count, handles, failure) && SH_ARRAYS(stack_padded)(&list, &largest, fill, result, failure);
}

/* A margin of `fill`: elements before the first and behind the last of each of `rank` axes. */
static inline bool sh_pad(sh_tensor value, const uint64_t *before, const uint64_t *after, size_t rank, double fill,
                          sh_tensor *result, sh_failure *failure) {
    sh_shape first = { (uint64_t *)before, rank }, last = { (uint64_t *)after, rank };
    return SH_ARRAYS(pad)(sh_borrow(value), &first, &last, fill, result, failure);
}

/* Slices along an axis by i32 or i64 indices. */
static inline bool sh_gather(sh_tensor value, sh_tensor indices, int32_t axis, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(gather)(sh_borrow(value), sh_borrow(indices), axis, result, failure);
}

/* Two tensors of one dtype, element by element, broadcast as in numpy. */
static inline bool sh_arithmetic(sh_operator operator, sh_tensor left, sh_tensor right, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(arithmetic)(operator, sh_borrow(left), sh_borrow(right), result, failure);
}

/* A tensor and a number, element by element. */
static inline bool sh_arithmetic_scalar(sh_operator operator, sh_tensor left, double right, sh_tensor *result,
                                        sh_failure *failure) {
    return SH_ARRAYS(arithmetic_scalar)(operator, sh_borrow(left), right, result, failure);
}

/* Which elements compare with a number so, as SH_BOOL. */
static inline bool sh_compare(sh_comparison comparison, sh_tensor left, double right, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(compare)(comparison, sh_borrow(left), right, result, failure);
}

/* Elements no lower than `minimum` and no higher than `maximum`. */
static inline bool sh_clip(sh_tensor value, double minimum, double maximum, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(clip)(sh_borrow(value), minimum, maximum, result, failure);
}

/* Exponentials along an axis, divided by their sum. */
static inline bool sh_softmax(sh_tensor value, int32_t axis, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(softmax)(sh_borrow(value), axis, result, failure);
}

/* Products of matrices. */
static inline bool sh_matmul(sh_tensor left, sh_tensor right, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(matmul)(sh_borrow(left), sh_borrow(right), result, failure);
}

/* Sums, means, maxima or minima along `count` axes, all where there are none. */
static inline bool sh_reduce(sh_reduction reduction, sh_tensor value, const int32_t *axes, size_t count, bool keep_dims,
                             sh_tensor *result, sh_failure *failure) {
    SH_WORLD(list_s32_t) list = { (int32_t *)axes, count };
    return SH_ARRAYS(reduce)(reduction, sh_borrow(value), &list, keep_dims, result, failure);
}

/* The index of the greatest element along an axis, as SH_I64. */
static inline bool sh_argmax(sh_tensor value, int32_t axis, sh_tensor *result, sh_failure *failure) {
    return SH_ARRAYS(argmax)(sh_borrow(value), axis, false, result, failure);
}

/* The `k` greatest (or least) elements along an axis, in order, and their indices as SH_I64. */
static inline bool sh_top_k(sh_tensor value, uint64_t k, int32_t axis, bool largest, sh_tensor *values, sh_tensor *indices,
                            sh_failure *failure) {
    scorehost_operations_arrays_tuple2_own_tensor_own_tensor_t found;
    if (!SH_ARRAYS(top_k)(sh_borrow(value), k, axis, largest, &found, failure))
        return false;
    *values = found.f0;
    *indices = found.f1;
    return true;
}

/* A JPEG or PNG file (SH_U8 of one axis, or one element of SH_BYTES) to SH_U8 pixels [height, width, channels], turned as EXIF says. */
static inline bool sh_decode(sh_tensor file, sh_color color, sh_tensor *result, sh_failure *failure) {
    scorehost_operations_images_decode_options_t options = { .color = color, .orient = true, .max_pixels = 0 };
    return SH_IMAGES(decode)(sh_borrow(file), &options, result, failure);
}

/* A picture at another size; `sampling` is { SH_BILINEAR, true, SH_CHANNELS_LAST } for what PIL does. */
static inline bool sh_resize(sh_tensor value, uint32_t height, uint32_t width, sh_sampling sampling, sh_tensor *result,
                             sh_failure *failure) {
    return SH_IMAGES(resize)(sh_borrow(value), height, width, &sampling, result, failure);
}

/* A picture as large as it fits into a size with its proportions kept, in the middle, `fill` around. */
static inline bool sh_letterbox(sh_tensor value, uint32_t height, uint32_t width, sh_sampling sampling, double fill,
                                sh_letterboxed *result, sh_failure *failure) {
    return SH_IMAGES(letterbox)(sh_borrow(value), height, width, &sampling, fill, true, result, failure);
}

/* Boxes of a picture, each at the same size, in one batch. */
static inline bool sh_crop_and_resize(sh_tensor value, const sh_rectangle *boxes, size_t count, uint32_t height, uint32_t width,
                                      sh_sampling sampling, sh_tensor *result, sh_failure *failure) {
    scorehost_operations_images_list_rectangle_t list = { (sh_rectangle *)boxes, count };
    return SH_IMAGES(crop_and_resize)(sh_borrow(value), &list, height, width, &sampling, result, failure);
}

/* A quadrilateral of a picture, straightened: its corners become top left, top right, bottom right, bottom left. */
static inline bool sh_crop_quad(sh_tensor value, const sh_point corners[4], uint32_t height, uint32_t width,
                                sh_interpolation interpolation, sh_tensor *result, sh_failure *failure) {
    scorehost_operations_images_tuple4_point_point_point_point_t four = { corners[0], corners[1], corners[2], corners[3] };
    return SH_IMAGES(crop_quad)(sh_borrow(value), &four, height, width, interpolation, result, failure);
}

/* A picture seen through a projection of nine numbers, from places in the result to places in the source; the border is repeated. */
static inline bool sh_warp_perspective(sh_tensor value, const double matrix[9], uint32_t height, uint32_t width,
                                       sh_interpolation interpolation, sh_tensor *result, sh_failure *failure) {
    SH_WORLD(list_f64_t) list = { (double *)matrix, 9 };
    return SH_IMAGES(warp_perspective)(sh_borrow(value), &list, height, width, interpolation, NULL, result, failure);
}

/* Pixels as a network takes them: (value * scale - mean) / std, SH_FP32. */
static inline bool sh_normalize(sh_tensor value, sh_normalization normalization, sh_tensor *result, sh_failure *failure) {
    return SH_IMAGES(normalize)(sh_borrow(value), &normalization, result, failure);
}

/* Indices of boxes (SH_FP32 [n, 4]), best first by scores (SH_FP32 [n]), without those that overlap a better one. */
static inline bool sh_non_max_suppression(sh_tensor boxes, sh_tensor scores, sh_suppression suppression, sh_tensor *result,
                                          sh_failure *failure) {
    return scorehost_operations_detection_non_max_suppression(sh_borrow(boxes), sh_borrow(scores), NULL, &suppression, result,
                                                              failure);
}

/* Other services of the host: those that the deployment lists (scorehost.grants.services). scorehost.toml must say
 * imports = "scorehost:services". A call ends with the request that makes it, at the latest by its deadline, and belongs to its
 * trace. It takes no key: the other service sees who sent the request, and its access log names this service. A failure of the
 * other service fills the sh_failure, with its kind. */

/* A tensor and its name; a scorer's inputs and outputs are arrays of these. */
typedef scorehost_scoring_tensors_named_tensor_t sh_named_tensor;

/* What a service answered to a body; a status of 400 and above is an answer, too. Free body.ptr. */
typedef struct {
    uint16_t status;
    sh_bytes body;
} sh_service_answer;

#ifdef SCOREHOST_SERVICES

/* Names of the services that the deployment lists. */
static inline SH_WORLD(list_string_t) sh_service_granted(void) {
    SH_WORLD(list_string_t) names;
    scorehost_services_services_granted(&names);
    return names;
}

/* Calls a service of tensors. `inputs` stay the caller's; of the service's outputs those called `outputs` come, or all where there
 * are none. Free *results after their names, or return them from run. */
static inline bool sh_service_call_all(const char *service, const sh_named_tensor *inputs, size_t count,
                                       const char *const *outputs, size_t wanted, sh_named_tensor **results, size_t *found,
                                       sh_failure *failure) {
    scorehost_services_services_tuple2_string_borrow_tensor_t pairs[SH_MAX_TENSORS];
    sh_string names[SH_MAX_TENSORS], name = sh_text(service);
    if (count > SH_MAX_TENSORS || wanted > SH_MAX_TENSORS)
        return sh_fail(failure, SH_INVALID_INPUT, "more than 64 tensors at once");
    for (size_t i = 0; i < count; i++) {
        pairs[i].f0 = inputs[i].name;
        pairs[i].f1 = sh_borrow(inputs[i].tensor);
    }
    for (size_t i = 0; i < wanted; i++)
        names[i] = sh_text(outputs[i]);
    scorehost_services_services_list_tuple2_string_borrow_tensor_t given = { pairs, count };
    SH_WORLD(list_string_t) asked = { names, wanted };
    scorehost_services_services_list_named_tensor_t answer;
    if (!scorehost_services_services_call_tensors(&name, &given, &asked, &answer, failure))
        return false;
    *results = answer.ptr;
    *found = answer.len;
    return true;
}

/* Calls a service of tensors with one input and hands out one of its outputs. */
static inline bool sh_service_call(const char *service, const char *input, sh_tensor value, const char *output,
                                   sh_tensor *result, sh_failure *failure) {
    sh_named_tensor given = { sh_text(input), value }, *results;
    size_t found;
    if (!sh_service_call_all(service, &given, 1, &output, 1, &results, &found, failure))
        return false;
    *result = results[0].tensor;
    free(results[0].name.ptr);
    free(results);
    return true;
}

/* Posts a body to a service: what POST /api/v1/service/<name>/score would answer. */
static inline bool sh_service_post(const char *service, const char *content_type, const void *body, size_t length,
                                   sh_service_answer *answer, sh_failure *failure) {
    sh_string name = sh_text(service);
    scorehost_services_services_http_request_t request = { .method = sh_text("POST"), .body = { (uint8_t *)body, length } };
    scorehost_services_services_http_response_t response;
    request.content_type.is_some = content_type != NULL;
    if (content_type != NULL)
        request.content_type.val = sh_text(content_type);
    if (!scorehost_services_services_call(&name, &request, &response, failure))
        return false;
    answer->status = response.status;
    answer->body = response.body;
    SH_WORLD(list_tuple2_string_string_free)(&response.headers);
    return true;
}

/* Whether an answer's status is 200 to 299; else the failure says what the service answered, and the body is freed. */
static inline bool sh_service_successful(const char *service, sh_service_answer *answer, sh_failure *failure) {
    char message[512];
    if (answer->status >= 200 && answer->status < 300)
        return true;
    int shown = answer->body.len < 200 ? (int)answer->body.len : 200;
    snprintf(message, sizeof message, "service '%.64s' answered %u: %.*s", service, answer->status, shown,
             (const char *)answer->body.ptr);
    free(answer->body.ptr);
    return sh_fail(failure, SH_UNAVAILABLE, message);
}

#else

#define SH_NEEDS_SERVICES __attribute__((unavailable("scorehost.toml must say imports = \"scorehost:services\"")))
bool sh_service_granted(void) SH_NEEDS_SERVICES;
bool sh_service_call_all(const char *service, ...) SH_NEEDS_SERVICES;
bool sh_service_call(const char *service, ...) SH_NEEDS_SERVICES;
bool sh_service_post(const char *service, ...) SH_NEEDS_SERVICES;
bool sh_service_successful(const char *service, ...) SH_NEEDS_SERVICES;

#endif

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

/* Exports `bool init(sh_failure *)` and `bool run(const sh_request *, sh_response *, sh_failure *)` as an entry script that takes text. */
#define SH_ENTRY_SCRIPT(init, run) SH_ENTRY_SCRIPT_AS(init, run, false)

/* The same for bodies of any bytes; `run` sees GET and OPTIONS, too. */
#define SH_RAW_ENTRY_SCRIPT(init, run) SH_ENTRY_SCRIPT_AS(init, run, true)

#define SH_ENTRY_SCRIPT_AS(init, run, raw)                                                                             \
    bool exports_entry_script_init(entry_script_failure_t *err) { return init(err); }                                  \
    void exports_entry_script_describe(entry_script_description_t *ret) {                                              \
        memset(ret, 0, sizeof *ret);                                                                                   \
        ret->raw_http = raw;                                                                                           \
    }                                                                                                                  \
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
