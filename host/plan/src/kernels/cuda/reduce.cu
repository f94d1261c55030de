// Reductions over any dimensions of any view. OP: 0 sum, 1 mean, 2 max, 3 min, 4 product, 5 sum of magnitudes, 6 root of the sum of
// squares, 7 sum of squares, 8 logarithm of the sum, 9 logarithm of the sum of exponentials.
typedef Wide<T>::type W;
__device__ __forceinline__ W start() { return OP == 4 ? (W)1 : (W)0; }
__device__ __forceinline__ W taken(W v, W top) {
    if (OP == 5) return v < (W)0 ? (W)0 - v : v;
    if (OP == 6 || OP == 7) return v * v;
    if (OP == 9) return (W)exp((double)(v - top));
    return v;
}
__device__ __forceinline__ W joined(W a, W b) {
    if (OP == 2) return most(a, b);
    if (OP == 3) return least(a, b);
    if (OP == 4) return a * b;
    return a + b;
}
__device__ __forceinline__ W finished(W v, int count, W top) {
    if (OP == 1) return v / (W)count;
    if (OP == 6) return (W)sqrt((double)v);
    if (OP == 8) return (W)log((double)v);
    if (OP == 9) return (W)(log((double)v) + (double)top);
    return v;
}
__device__ __forceinline__ W exchanged(W v, int o) { return __shfl_xor_sync(~0u, v, o); }

extern "C" __global__ void reduce_thread(const T* __restrict__ x, T* __restrict__ y, Walk kept, Walk gone, int total, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= total) return;
    x += offset_of(kept, i);
    W top = 0;
    if (OP == 9) { top = up(x[0]); for (int k = 1; k < count; ++k) top = most(top, (W)up(x[offset_of(gone, k)])); }
    W v = start();
    for (int k = 0; k < count; ++k) {
        const W one = taken(up(x[offset_of(gone, k)]), top);
        v = (k == 0 && (OP == 2 || OP == 3)) ? one : joined(v, one);
    }
    y[i] = Down<T>::of(finished(v, count, top));
}
extern "C" __global__ void reduce_warp(const T* __restrict__ x, T* __restrict__ y, Walk kept, Walk gone, int total, int count) {
    const int i = (blockIdx.x * blockDim.x + threadIdx.x) >> 5, lane = threadIdx.x & 31;
    if (i >= total) return;
    x += offset_of(kept, i);
    const int mine = lane < count ? lane : 0;
    W top = up(x[offset_of(gone, mine)]);
    if (OP == 9) {
        for (int k = lane + 32; k < count; k += 32) top = most(top, (W)up(x[offset_of(gone, k)]));
        for (int o = 16; o; o >>= 1) top = most(top, exchanged(top, o));
    }
    W v = (OP == 2 || OP == 3) ? (W)up(x[offset_of(gone, mine)]) : (lane < count ? taken(up(x[offset_of(gone, mine)]), top) : start());
    for (int k = lane + 32; k < count; k += 32) v = joined(v, taken(up(x[offset_of(gone, k)]), top));
    for (int o = 16; o; o >>= 1) v = joined(v, exchanged(v, o));
    if (lane == 0) y[i] = Down<T>::of(finished(v, count, top));
}
