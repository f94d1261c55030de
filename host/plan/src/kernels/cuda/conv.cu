// Convolutions that are not matrix products on tensor cores. Up to three spatial dimensions, any strides, so any layout.
struct Window {
    int in_channels, out_channels, groups;
    int in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
    int x_n, x_c, x_s[3], y_n, y_c, y_s[3];
    int total;
};
// One output element a thread, channels fastest. Weights: [out channel][in channel of the group][kernel].
extern "C" __global__ void conv_direct(const T* __restrict__ x, const T* __restrict__ w, const float* __restrict__ bias,
        const T* __restrict__ residual, T* __restrict__ y, Window p, float alpha, float beta) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int per_group = p.in_channels / p.groups, group = m / (p.out_channels / p.groups);
    const int taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    Wide<T>::type sum = 0;
    for (int k0 = 0; k0 < p.kernel[0]; ++k0) {
        const int a = o0 * p.stride[0] - p.pad[0] + k0 * p.dilation[0];
        if ((u32)a >= (u32)p.in[0]) continue;
        for (int k1 = 0; k1 < p.kernel[1]; ++k1) {
            const int b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1];
            if ((u32)b >= (u32)p.in[1]) continue;
            for (int k2 = 0; k2 < p.kernel[2]; ++k2) {
                const int c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
                if ((u32)c >= (u32)p.in[2]) continue;
                const T* px = x + (i64)n * p.x_n + (i64)group * per_group * p.x_c + (i64)a * p.x_s[0] + (i64)b * p.x_s[1] + (i64)c * p.x_s[2];
                const T* pw = w + (i64)m * per_group * taps + (k0 * p.kernel[1] + k1) * p.kernel[2] + k2;
                for (int q = 0; q < per_group; ++q) sum += up(px[(i64)q * p.x_c]) * up(pw[q * taps]);
            }
        }
    }
    if (bias) sum += bias[m];
    const i64 at = (i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2];
    if (residual) sum += up(residual[at]);
    y[at] = ACT ? Down<T>::of(activate<ACT>((float)sum, alpha, beta)) : Down<T>::of(sum);
}
// Each channel on its own, channels-last, eight or four channels a thread. Weights: [kernel position][channel].
struct alignas(sizeof(T) * VEC) Pack { T v[VEC]; };
extern "C" __global__ void conv_depthwise(const T* __restrict__ x, const T* __restrict__ w, const float* __restrict__ bias,
        const T* __restrict__ residual, T* __restrict__ y, Window p, float alpha, float beta) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int packs = p.out_channels / VEC;
    if (i >= p.total / VEC) return;
    const int m = (i % packs) * VEC; i /= packs;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; const int n = i / p.out[1];
    float sum[VEC];
#pragma unroll
    for (int e = 0; e < VEC; ++e) sum[e] = bias ? bias[m + e] : 0.f;
    for (int k1 = 0; k1 < p.kernel[1]; ++k1) {
        const int b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1];
        if ((u32)b >= (u32)p.in[1]) continue;
        for (int k2 = 0; k2 < p.kernel[2]; ++k2) {
            const int c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
            if ((u32)c >= (u32)p.in[2]) continue;
            const Pack a = *(const Pack*)(x + (i64)n * p.x_n + (i64)b * p.x_s[1] + (i64)c * p.x_s[2] + m);
            const Pack f = *(const Pack*)(w + (k1 * p.kernel[2] + k2) * p.out_channels + m);
#pragma unroll
            for (int e = 0; e < VEC; ++e) sum[e] += up(a.v[e]) * up(f.v[e]);
        }
    }
    const i64 at = (i64)n * p.y_n + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2] + m;
    Pack r;
    if (residual) r = *(const Pack*)(residual + at);
#pragma unroll
    for (int e = 0; e < VEC; ++e) {
        float v = sum[e];
        if (residual) v += up(r.v[e]);
        r.v[e] = Down<T>::of(activate<ACT>(v, alpha, beta));
    }
    *(Pack*)(y + at) = r;
}
// The input gathered for a matrix product: [pixel][kernel position][channel], channels-last input.
extern "C" __global__ void gather_patches(const T* __restrict__ x, T* __restrict__ y, Window p, int depth, int first_channel) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int channels = p.in_channels / p.groups;
    if (i >= p.total) return;
    const int k = i % depth, position = k / channels, q = k - position * channels;
    int pixel = i / depth;
    const int o2 = pixel % p.out[2]; pixel /= p.out[2];
    const int o1 = pixel % p.out[1]; const int n = pixel / p.out[1];
    const int b = o1 * p.stride[1] - p.pad[1] + (position / p.kernel[2]) * p.dilation[1];
    const int c = o2 * p.stride[2] - p.pad[2] + (position % p.kernel[2]) * p.dilation[2];
    T v = Down<T>::of(0.f);
    if ((u32)b < (u32)p.in[1] && (u32)c < (u32)p.in[2])
        v = x[(i64)n * p.x_n + (i64)b * p.x_s[1] + (i64)c * p.x_s[2] + (i64)(first_channel + q) * p.x_c];
    y[i] = v;
}
// The transpose of a convolution: each output element sums the inputs that reach it. Weights: [in channel][out channel of the group][kernel].
extern "C" __global__ void conv_transposed(const T* __restrict__ x, const T* __restrict__ w, const float* __restrict__ bias,
        T* __restrict__ y, Window p) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int per_in = p.in_channels / p.groups, per_out = p.out_channels / p.groups, group = m / per_out;
    const int taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    float sum = bias ? bias[m] : 0.f;
    for (int k0 = 0; k0 < p.kernel[0]; ++k0) {
        const int a = o0 + p.pad[0] - k0 * p.dilation[0];
        if (a < 0 || a % p.stride[0] || a / p.stride[0] >= p.in[0]) continue;
        for (int k1 = 0; k1 < p.kernel[1]; ++k1) {
            const int b = o1 + p.pad[1] - k1 * p.dilation[1];
            if (b < 0 || b % p.stride[1] || b / p.stride[1] >= p.in[1]) continue;
            for (int k2 = 0; k2 < p.kernel[2]; ++k2) {
                const int c = o2 + p.pad[2] - k2 * p.dilation[2];
                if (c < 0 || c % p.stride[2] || c / p.stride[2] >= p.in[2]) continue;
                const T* px = x + (i64)n * p.x_n + (i64)group * per_in * p.x_c + (i64)(a / p.stride[0]) * p.x_s[0]
                    + (i64)(b / p.stride[1]) * p.x_s[1] + (i64)(c / p.stride[2]) * p.x_s[2];
                const T* pw = w + ((i64)group * per_in * per_out + (m - group * per_out)) * taps + (k0 * p.kernel[1] + k1) * p.kernel[2] + k2;
                for (int q = 0; q < per_in; ++q) sum += up(px[(i64)q * p.x_c]) * up(pw[(i64)q * per_out * taps]);
            }
        }
    }
    y[(i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2]] = Down<T>::of(sum);
}
// MODE 0: maximum, 1: average over the elements inside, 2: average over the window including padding.
extern "C" __global__ void pool(const T* __restrict__ x, T* __restrict__ y, Window p, int mode, int padded0, int padded1, int padded2) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.total) return;
    const int m = i % p.out_channels; i /= p.out_channels;
    const int o2 = i % p.out[2]; i /= p.out[2];
    const int o1 = i % p.out[1]; i /= p.out[1];
    const int o0 = i % p.out[0]; const int n = i / p.out[0];
    const int limit[3] = {p.in[0] + padded0, p.in[1] + padded1, p.in[2] + padded2};
    typedef Wide<T>::type W;
    W best = 0, sum = 0;
    int inside = 0, reached = 0;
    for (int k0 = 0; k0 < p.kernel[0]; ++k0) for (int k1 = 0; k1 < p.kernel[1]; ++k1) for (int k2 = 0; k2 < p.kernel[2]; ++k2) {
        const int a = o0 * p.stride[0] - p.pad[0] + k0 * p.dilation[0], b = o1 * p.stride[1] - p.pad[1] + k1 * p.dilation[1],
            c = o2 * p.stride[2] - p.pad[2] + k2 * p.dilation[2];
        reached += a < limit[0] && b < limit[1] && c < limit[2];
        if ((u32)a >= (u32)p.in[0] || (u32)b >= (u32)p.in[1] || (u32)c >= (u32)p.in[2]) continue;
        const W v = up(x[(i64)n * p.x_n + (i64)m * p.x_c + (i64)a * p.x_s[0] + (i64)b * p.x_s[1] + (i64)c * p.x_s[2]]);
        best = inside ? most(best, v) : v;
        sum += v;
        ++inside;
    }
    const int divisor = mode == 2 ? reached : inside;
    const W v = mode == 0 ? best : (divisor ? (W)(sum / (W)divisor) : (W)0);
    y[(i64)n * p.y_n + (i64)m * p.y_c + (i64)o0 * p.y_s[0] + (i64)o1 * p.y_s[1] + (i64)o2 * p.y_s[2]] = Down<T>::of(v);
}
