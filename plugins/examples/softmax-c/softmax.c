/* Softmax over the rows of a tensor, in the sandbox: FP32 `x` of shape [-1, -1] in, FP32 `y` of the same shape out. */

#include <math.h>

#include "scorehost.h"

static bool init(sh_failure *failure) {
    (void)failure;
    return true;
}

static void signature(sh_signature *ret) {
    const int64_t shape[] = { -1, -1 };
    sh_signature_of(ret, sh_spec_of("x", SH_FP32, shape, 2), sh_spec_of("y", SH_FP32, shape, 2));
}

/* One row; the largest value is taken off first, so that nothing overflows. */
static void softmax(float *row, size_t length) {
    float largest = row[0], sum = 0;
    for (size_t i = 1; i < length; i++)
        largest = fmaxf(largest, row[i]);
    for (size_t i = 0; i < length; i++)
        sum += row[i] = expf(row[i] - largest);
    for (size_t i = 0; i < length; i++)
        row[i] /= sum;
}

static bool run(const sh_tensors *inputs, sh_tensors *outputs, sh_failure *failure) {
    sh_tensor x, y;
    if (!sh_input(inputs, "x", &x, failure))
        return false;
    sh_shape shape = sh_tensor_shape(x);
    sh_bytes data = sh_tensor_data(x);
    size_t length = shape.ptr[1];
    for (size_t row = 0; length > 0 && row < shape.ptr[0]; row++)
        softmax((float *)data.ptr + row * length, length);
    bool good = sh_tensor_create(SH_FP32, shape.ptr, shape.len, data.ptr, data.len, &y, failure);
    free(shape.ptr);
    free(data.ptr);
    return good && sh_output(outputs, "y", y);
}

SH_SCORER(init, signature, run)
