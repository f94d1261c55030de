// Convolution as a matrix product without a gathered copy of the input: rows are output pixels, columns output channels, depth runs over
// kernel position and input channel. Input and output are channels-last; weights are [channel out][kernel position][channel in].
// T: f16, bf16 or f32 (as TF32). BM x BN: tile. WARPS_M x WARPS_N = 8. STAGES: depth of the copy pipeline. ACT: activation.
struct Conv {
    int height, width, channels, out_height, out_width, out_channels, kernel_width;
    int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    int depth, pixels, x_pitch, y_pitch, residual_pitch, splits, steps;
};
#define CHUNK ((int)(16 / sizeof(T)))
#define DEPTH ((int)(128 / sizeof(T)))
#define STAGE_BYTES ((BM + BN) * 128)

__device__ __forceinline__ void copy16(u32 to, const void* from, bool inside) {
    int bytes = inside ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}
__device__ __forceinline__ void matrices(u32* r, u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}
__device__ __forceinline__ u32 tf32(u32 v) { u32 r; asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(__uint_as_float(v))); return r; }
template <class E> struct Mma;
template <> struct Mma<f16> { static __device__ __forceinline__ void run(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); } };
template <> struct Mma<bf16> { static __device__ __forceinline__ void run(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); } };
template <> struct Mma<f32> { static __device__ __forceinline__ void run(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); } };

extern "C" __global__ void __launch_bounds__(256) igemm(const T* __restrict__ x, const T* __restrict__ w, const float* __restrict__ bias,
        const T* __restrict__ residual, T* __restrict__ y, float* __restrict__ parts, Conv p, float alpha, float beta) {
    extern __shared__ __align__(128) unsigned char shared[];
    const u32 base = (u32)__cvta_generic_to_shared(shared);
    const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
    const int m0 = blockIdx.x * BM, n0 = blockIdx.y * BN;
    const int group = blockIdx.z / p.splits, split = blockIdx.z - group * p.splits;
    x += (i64)group * p.channels;
    w += (i64)group * p.out_channels * p.depth;
    const int column = tid & 7, row0 = tid >> 3;
    constexpr int ROWS_A = BM / 32, ROWS_B = BN / 32;
    const T* image[ROWS_A];
    int top[ROWS_A], left[ROWS_A];
#pragma unroll
    for (int i = 0; i < ROWS_A; ++i) {
        int pixel = m0 + row0 + 32 * i;
        bool inside = pixel < p.pixels;
        int line = pixel / p.out_width, q = pixel - line * p.out_width, n = line / p.out_height, o = line - n * p.out_height;
        image[i] = inside ? x + (i64)n * p.height * p.width * p.x_pitch : x;
        top[i] = inside ? o * p.stride_h - p.pad_h : -(1 << 28);
        left[i] = q * p.stride_w - p.pad_w;
    }
    auto load = [&](int stage, int step) {
        const int k = step * DEPTH + column * CHUNK;
        const bool deep = k < p.depth;
        const int position = k / p.channels, c = k - position * p.channels;
        const int r = position / p.kernel_width, s = position - r * p.kernel_width;
        const u32 a = base + stage * STAGE_BYTES, b = a + BM * 128;
#pragma unroll
        for (int i = 0; i < ROWS_A; ++i) {
            const int row = row0 + 32 * i, h = top[i] + r * p.dilation_h, v = left[i] + s * p.dilation_w;
            const bool inside = deep && (u32)h < (u32)p.height && (u32)v < (u32)p.width;
            const T* from = inside ? image[i] + ((i64)h * p.width + v) * p.x_pitch + c : x;
            copy16(a + row * 128 + ((column ^ (row & 7)) << 4), from, inside);
        }
#pragma unroll
        for (int i = 0; i < ROWS_B; ++i) {
            const int row = row0 + 32 * i, n = n0 + row;
            const bool inside = deep && n < p.out_channels;
            copy16(b + row * 128 + ((column ^ (row & 7)) << 4), inside ? w + (i64)n * p.depth + k : w, inside);
        }
    };
    constexpr int TILE_M = BM / WARPS_M, TILE_N = BN / WARPS_N, MT = TILE_M / 16, NT = TILE_N / 8;
    const int wm = (warp / WARPS_N) * TILE_M, wn = (warp % WARPS_N) * TILE_N;
    float acc[MT][NT][4];
#pragma unroll
    for (int i = 0; i < MT; ++i)
#pragma unroll
        for (int j = 0; j < NT; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) acc[i][j][e] = 0.f;
    const int total = (p.depth + DEPTH - 1) / DEPTH, first = split * p.steps;
    const int count = min(p.steps, total - first);
#pragma unroll
    for (int s = 0; s < STAGES - 1; ++s) {
        if (s < count) load(s, first + s);
        asm volatile("cp.async.commit_group;");
    }
    for (int step = 0; step < count; ++step) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
        __syncthreads();
        const int ahead = step + STAGES - 1;
        if (ahead < count) load(ahead % STAGES, first + ahead);
        asm volatile("cp.async.commit_group;");
        const u32 a = base + (step % STAGES) * STAGE_BYTES, b = a + BM * 128;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            u32 fa[MT][4], fb[NT][2];
#pragma unroll
            for (int i = 0; i < MT; ++i) {
                const int row = wm + i * 16 + (lane & 15), chunk = k * 2 + (lane >> 4);
                matrices(fa[i], a + row * 128 + ((chunk ^ (row & 7)) << 4));
            }
#pragma unroll
            for (int j = 0; j < NT; j += 2) {
                const int row = wn + j * 8 + (lane & 7) + ((lane >> 4) << 3), chunk = k * 2 + ((lane >> 3) & 1);
                u32 four[4];
                matrices(four, b + row * 128 + ((chunk ^ (row & 7)) << 4));
                fb[j][0] = four[0]; fb[j][1] = four[1]; fb[j + 1][0] = four[2]; fb[j + 1][1] = four[3];
            }
            if (sizeof(T) == 4) {
#pragma unroll
                for (int i = 0; i < MT; ++i)
#pragma unroll
                    for (int e = 0; e < 4; ++e) fa[i][e] = tf32(fa[i][e]);
#pragma unroll
                for (int j = 0; j < NT; ++j) { fb[j][0] = tf32(fb[j][0]); fb[j][1] = tf32(fb[j][1]); }
            }
#pragma unroll
            for (int i = 0; i < MT; ++i)
#pragma unroll
                for (int j = 0; j < NT; ++j) Mma<T>::run(acc[i][j], fa[i], fb[j]);
        }
    }
    const int shift = group * p.out_channels;
#pragma unroll
    for (int i = 0; i < MT; ++i)
#pragma unroll
        for (int j = 0; j < NT; ++j)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int pixel = m0 + wm + i * 16 + (lane >> 2) + half * 8, n = n0 + wn + j * 8 + (lane & 3) * 2;
                if (pixel >= p.pixels) continue;
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    if (n + e >= p.out_channels) continue;
                    float v = acc[i][j][half * 2 + e];
                    const int channel = shift + n + e;
                    if (p.splits > 1) {
                        const i64 all = (i64)gridDim.z / p.splits * p.out_channels;
                        parts[((i64)split * p.pixels + pixel) * all + channel] = v;
                        continue;
                    }
                    if (bias) v += bias[channel];
                    if (residual) v += up(residual[(i64)pixel * p.residual_pitch + channel]);
                    y[(i64)pixel * p.y_pitch + channel] = Down<T>::of(activate<ACT>(v, alpha, beta));
                }
            }
}
// Sums the parts of a product whose depth was split over blocks.
extern "C" __global__ void igemm_finish(const float* __restrict__ parts, const float* __restrict__ bias, const T* __restrict__ residual,
        T* __restrict__ y, int splits, int pixels, int channels, int y_pitch, int residual_pitch, float alpha, float beta) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels * channels) return;
    const int pixel = i / channels, channel = i - pixel * channels;
    float v = 0.f;
    for (int s = 0; s < splits; ++s) v += parts[(i64)s * pixels * channels + i];
    if (bias) v += bias[channel];
    if (residual) v += up(residual[(i64)pixel * residual_pitch + channel]);
    y[(i64)pixel * y_pitch + channel] = Down<T>::of(activate<ACT>(v, alpha, beta));
}
