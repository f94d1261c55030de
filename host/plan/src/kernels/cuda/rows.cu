// Kernels over the rows of a dense matrix: one warp a row.
#define ROW() const int row = (blockIdx.x * blockDim.x + threadIdx.x) >> 5, lane = threadIdx.x & 31; if (row >= rows) return

extern "C" __global__ void softmax(const T* __restrict__ x, T* __restrict__ y, int rows, int columns, int logarithm) {
    ROW();
    x += (i64)row * columns; y += (i64)row * columns;
    float top = -INFINITY_F, sum = 0.f;
    for (int c = lane; c < columns; c += 32) top = fmaxf(top, up(x[c]));
    top = warp_max(top);
    for (int c = lane; c < columns; c += 32) sum += expf(up(x[c]) - top);
    sum = warp_sum(sum);
    const float scale = 1.f / sum, lower = logf(sum);
    for (int c = lane; c < columns; c += 32) {
        const float v = up(x[c]) - top;
        y[c] = Down<T>::of(logarithm ? v - lower : expf(v) * scale);
    }
}
// y = (x + added - mean) / sqrt(variance + epsilon) * scale + bias. Scale and bias repeat every `period` columns of `block` elements each;
// `shift` is the first of them for a row (group and instance normalisation: rows differ in theirs).
extern "C" __global__ void normalise(const T* __restrict__ x, const T* __restrict__ added, const float* __restrict__ scale,
        const float* __restrict__ bias, T* __restrict__ y, T* __restrict__ sums, int rows, int columns, int block, int per_row, int period,
        float epsilon, int centre) {
    ROW();
    const i64 at = (i64)row * columns;
    const int shift = (row * per_row) % period;
    float mean = 0.f, variance = 0.f;
    if (centre) {
        for (int c = lane; c < columns; c += 32) mean += up(x[at + c]) + (added ? up(added[at + c]) : 0.f);
        mean = warp_sum(mean) / columns;
    }
    for (int c = lane; c < columns; c += 32) {
        const float d = up(x[at + c]) + (added ? up(added[at + c]) : 0.f) - mean;
        variance += d * d;
    }
    const float inverse = rsqrtf(warp_sum(variance) / columns + epsilon);
    for (int c = lane; c < columns; c += 32) {
        const float v = up(x[at + c]) + (added ? up(added[at + c]) : 0.f);
        const int s = shift + c / block;
        if (sums) sums[at + c] = Down<T>::of(v);
        y[at + c] = Down<T>::of((v - mean) * inverse * (scale ? scale[s] : 1.f) + (bias ? bias[s] : 0.f));
    }
}
extern "C" __global__ void normalise_lp(const T* __restrict__ x, T* __restrict__ y, int rows, int columns, int power) {
    ROW();
    x += (i64)row * columns; y += (i64)row * columns;
    float sum = 0.f;
    for (int c = lane; c < columns; c += 32) { const float v = up(x[c]); sum += power == 1 ? fabsf(v) : v * v; }
    sum = warp_sum(sum);
    const float norm = power == 1 ? sum : sqrtf(sum);
    for (int c = lane; c < columns; c += 32) y[c] = Down<T>::of(norm == 0.f ? 0.f : up(x[c]) / norm);
}
extern "C" __global__ void running_sum(const T* __restrict__ x, T* __restrict__ y, int rows, int columns, int exclusive, int reverse) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    x += (i64)row * columns; y += (i64)row * columns;
    Wide<T>::type sum = 0;
    for (int i = 0; i < columns; ++i) {
        const int c = reverse ? columns - 1 - i : i;
        const Wide<T>::type v = up(x[c]);
        y[c] = Down<T>::of(exclusive ? sum : sum + v);
        sum += v;
    }
}
// The place of a row's largest (or smallest) element; of equals the first, or the last.
extern "C" __global__ void place(const T* __restrict__ x, i64* __restrict__ y, int rows, int columns, int smallest, int last) {
    ROW();
    x += (i64)row * columns;
    typedef Wide<T>::type W;
    int best = lane < columns ? lane : 0;
    W value = up(x[best]);
    for (int c = lane + 32; c < columns; c += 32) {
        const W v = up(x[c]);
        const bool better = smallest ? v < value : v > value;
        if (better || (last && v == value)) { value = v; best = c; }
    }
    for (int o = 16; o; o >>= 1) {
        const W v = __shfl_xor_sync(~0u, value, o);
        const int other = __shfl_xor_sync(~0u, best, o);
        const bool better = smallest ? v < value : v > value;
        if (better || (v == value && (last ? other > best : other < best))) { value = v; best = other; }
    }
    if (lane == 0) y[row] = best;
}
