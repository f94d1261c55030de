// The three layers of digits_mlp.onnx as one kernel, written as kernels for FPGAs are: one work item, loops of fixed length that a
// compiler unrolls and pipelines.

#define PIXELS 64
#define FIRST 64
#define SECOND 32
#define DIGITS 10

void layer(const float *x, __global const float *restrict weights, __global const float *restrict bias, float *y, int ins, int outs,
           int rectified) {
    for (int o = 0; o < outs; o++) {
        float sum = bias[o];
        for (int i = 0; i < ins; i++) sum += x[i] * weights[i * outs + o];
        y[o] = rectified ? fmax(sum, 0.0f) : sum;
    }
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void dense(
    __global const float *restrict pixels, __global const float *restrict weights0, __global const float *restrict bias0,
    __global const float *restrict weights1, __global const float *restrict bias1, __global const float *restrict weights2,
    __global const float *restrict bias2, __global float *restrict probabilities, int rows) {
    for (int row = 0; row < rows; row++) {
        float x[PIXELS], first[FIRST], second[SECOND], scores[DIGITS];
        for (int i = 0; i < PIXELS; i++) x[i] = pixels[row * PIXELS + i];
        layer(x, weights0, bias0, first, PIXELS, FIRST, 1);
        layer(first, weights1, bias1, second, FIRST, SECOND, 1);
        layer(second, weights2, bias2, scores, SECOND, DIGITS, 0);
        float largest = scores[0], sum = 0.0f;
        for (int i = 1; i < DIGITS; i++) largest = fmax(largest, scores[i]);
        for (int i = 0; i < DIGITS; i++) sum += exp(scores[i] - largest);
        for (int i = 0; i < DIGITS; i++) probabilities[row * DIGITS + i] = exp(scores[i] - largest) / sum;
    }
}
