// Attention over blocks of keys with a running maximum and sum, so that the scores never leave the multiprocessor.
// T: element. HEAD: head size, a multiple of 16 up to 128 (tensor-core form) or any up to 128 (plain form).
struct Attention {
    int heads, queries, keys;
    int q_b, q_h, q_s, k_b, k_h, k_s, v_b, v_h, v_s, y_b, y_h, y_s, m_b, m_h, m_q, m_k;
    float scale;
};
#if TENSOR
__device__ __forceinline__ void matrices(u32* r, u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}
__device__ __forceinline__ void turned(u32* r, u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at));
}
template <class E> struct Mma;
template <> struct Mma<f16> { static __device__ __forceinline__ void run(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); } };
template <> struct Mma<bf16> { static __device__ __forceinline__ void run(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); } };
__device__ __forceinline__ u32 pair(float a, float b) { return (u32)Down<T>::of(a).bits | ((u32)Down<T>::of(b).bits << 16); }
// Rows of a tile are padded by 16 bytes, so that eight rows lie in different banks.
#define PITCH (HEAD + 8)
__device__ __forceinline__ void fill(T* tile, const T* from, int step, int rows) {
    for (int i = threadIdx.x; i < 64 * (HEAD / 8); i += 128) {
        const int r = i / (HEAD / 8), c = (i - r * (HEAD / 8)) * 8;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (r < rows) v = *(const uint4*)(from + (i64)r * step + c);
        *(uint4*)(tile + r * PITCH + c) = v;
    }
}
extern "C" __global__ void __launch_bounds__(128) attention(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
        const T* __restrict__ mask, T* __restrict__ y, Attention p) {
    extern __shared__ __align__(128) unsigned char shared[];
    T* tq = (T*)shared; T* tk = tq + 64 * PITCH; T* tv = tk + 64 * PITCH;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, q0 = blockIdx.x * 64;
    const int b = blockIdx.y / p.heads, h = blockIdx.y - b * p.heads;
    q += (i64)b * p.q_b + (i64)h * p.q_h; k += (i64)b * p.k_b + (i64)h * p.k_h; v += (i64)b * p.v_b + (i64)h * p.v_h;
    y += (i64)b * p.y_b + (i64)h * p.y_h;
    if (mask) mask += (i64)b * p.m_b + (i64)h * p.m_h;
    fill(tq, q + (i64)q0 * p.q_s, p.q_s, p.queries - q0);
    __syncthreads();
    u32 fq[HEAD / 16][4];
#pragma unroll
    for (int d = 0; d < HEAD / 16; ++d)
        matrices(fq[d], (u32)__cvta_generic_to_shared(tq + (warp * 16 + (lane & 15)) * PITCH + d * 16 + (lane >> 4) * 8));
    float out[HEAD / 8][4], top[2] = {-INFINITY_F, -INFINITY_F}, sum[2] = {0.f, 0.f};
#pragma unroll
    for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
        for (int e = 0; e < 4; ++e) out[d][e] = 0.f;
    for (int k0 = 0; k0 < p.keys; k0 += 64) {
        __syncthreads();
        fill(tk, k + (i64)k0 * p.k_s, p.k_s, p.keys - k0);
        fill(tv, v + (i64)k0 * p.v_s, p.v_s, p.keys - k0);
        __syncthreads();
        float s[8][4];
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) s[j][e] = 0.f;
#pragma unroll
        for (int d = 0; d < HEAD / 16; ++d)
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                u32 four[4];
                matrices(four, (u32)__cvta_generic_to_shared(tk + (j * 8 + (lane & 7) + ((lane >> 4) << 3)) * PITCH + d * 16 + ((lane >> 3) & 1) * 8));
                Mma<T>::run(s[j], fq[d], four);
                Mma<T>::run(s[j + 1], fq[d], four + 2);
            }
        float high[2] = {top[0], top[1]};
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int key = k0 + j * 8 + (lane & 3) * 2 + (e & 1), query = q0 + warp * 16 + (lane >> 2) + (e >> 1) * 8;
                float z = s[j][e] * p.scale;
                if (mask && key < p.keys && query < p.queries) z += up(mask[(i64)query * p.m_q + (i64)key * p.m_k]);
                s[j][e] = key < p.keys ? z : -INFINITY_F;
                high[e >> 1] = fmaxf(high[e >> 1], s[j][e]);
            }
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            high[r] = fmaxf(high[r], __shfl_xor_sync(~0u, high[r], 1));
            high[r] = fmaxf(high[r], __shfl_xor_sync(~0u, high[r], 2));
        }
        // A row of which every key so far is masked with minus infinity keeps a finite reference point.
        const float safe[2] = {high[0] == -INFINITY_F ? 0.f : high[0], high[1] == -INFINITY_F ? 0.f : high[1]};
        const float shrink[2] = {__expf(top[0] - safe[0]), __expf(top[1] - safe[1])};
        top[0] = high[0]; top[1] = high[1];
        sum[0] *= shrink[0]; sum[1] *= shrink[1];
#pragma unroll
        for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
            for (int e = 0; e < 4; ++e) out[d][e] *= shrink[e >> 1];
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) { s[j][e] = __expf(s[j][e] - safe[e >> 1]); sum[e >> 1] += s[j][e]; }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const u32 fp[4] = {pair(s[2 * j][0], s[2 * j][1]), pair(s[2 * j][2], s[2 * j][3]), pair(s[2 * j + 1][0], s[2 * j + 1][1]),
                pair(s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
            for (int d = 0; d < HEAD / 16; ++d) {
                u32 four[4];
                turned(four, (u32)__cvta_generic_to_shared(tv + (j * 16 + (lane & 15)) * PITCH + d * 16 + (lane >> 4) * 8));
                Mma<T>::run(out[2 * d], fp, four);
                Mma<T>::run(out[2 * d + 1], fp, four + 2);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        sum[r] += __shfl_xor_sync(~0u, sum[r], 1);
        sum[r] += __shfl_xor_sync(~0u, sum[r], 2);
    }
#pragma unroll
    for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int query = q0 + warp * 16 + (lane >> 2) + r * 8;
            if (query < p.queries)
                *(u32*)(y + (i64)query * p.y_s + d * 8 + (lane & 3) * 2) = pair(out[d][2 * r] / sum[r], out[d][2 * r + 1] / sum[r]);
        }
}
#else
#define PER_WARP 4
#define SLICES ((HEAD + 31) / 32)
extern "C" __global__ void __launch_bounds__(128) attention(const T* __restrict__ q, const T* __restrict__ k, const T* __restrict__ v,
        const T* __restrict__ mask, T* __restrict__ y, Attention p) {
    __shared__ float tq[4 * PER_WARP][HEAD], tk[32][HEAD + 1], tv[32][HEAD];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, q0 = blockIdx.x * 4 * PER_WARP;
    const int b = blockIdx.y / p.heads, h = blockIdx.y - b * p.heads;
    q += (i64)b * p.q_b + (i64)h * p.q_h; k += (i64)b * p.k_b + (i64)h * p.k_h; v += (i64)b * p.v_b + (i64)h * p.v_h;
    y += (i64)b * p.y_b + (i64)h * p.y_h;
    if (mask) mask += (i64)b * p.m_b + (i64)h * p.m_h;
    for (int i = threadIdx.x; i < 4 * PER_WARP * HEAD; i += 128) {
        const int r = i / HEAD, c = i - r * HEAD;
        tq[r][c] = q0 + r < p.queries ? up(q[(i64)(q0 + r) * p.q_s + c]) * p.scale : 0.f;
    }
    float top[PER_WARP], sum[PER_WARP], out[PER_WARP][SLICES];
#pragma unroll
    for (int r = 0; r < PER_WARP; ++r) {
        top[r] = -INFINITY_F; sum[r] = 0.f;
#pragma unroll
        for (int d = 0; d < SLICES; ++d) out[r][d] = 0.f;
    }
    for (int k0 = 0; k0 < p.keys; k0 += 32) {
        __syncthreads();
        for (int i = threadIdx.x; i < 32 * HEAD; i += 128) {
            const int r = i / HEAD, c = i - r * HEAD;
            const bool inside = k0 + r < p.keys;
            tk[r][c] = inside ? up(k[(i64)(k0 + r) * p.k_s + c]) : 0.f;
            tv[r][c] = inside ? up(v[(i64)(k0 + r) * p.v_s + c]) : 0.f;
        }
        __syncthreads();
        float s[PER_WARP];
#pragma unroll
        for (int r = 0; r < PER_WARP; ++r) s[r] = 0.f;
        for (int d = 0; d < HEAD; ++d) {
            const float key = tk[lane][d];
#pragma unroll
            for (int r = 0; r < PER_WARP; ++r) s[r] += tq[warp * PER_WARP + r][d] * key;
        }
#pragma unroll
        for (int r = 0; r < PER_WARP; ++r) {
            const int query = q0 + warp * PER_WARP + r, key = k0 + lane;
            if (key >= p.keys) s[r] = -INFINITY_F;
            else if (mask && query < p.queries) s[r] += up(mask[(i64)query * p.m_q + (i64)key * p.m_k]);
            const float high = fmaxf(top[r], warp_max(s[r])), safe = high == -INFINITY_F ? 0.f : high;
            const float shrink = expf(top[r] - safe), e = expf(s[r] - safe);
            top[r] = high;
            sum[r] = sum[r] * shrink + warp_sum(e);
#pragma unroll
            for (int d = 0; d < SLICES; ++d) out[r][d] *= shrink;
            for (int j = 0; j < 32; ++j) {
                const float w = __shfl_sync(~0u, e, j);
#pragma unroll
                for (int d = 0; d < SLICES; ++d) if (lane + 32 * d < HEAD) out[r][d] += w * tv[j][lane + 32 * d];
            }
        }
    }
#pragma unroll
    for (int r = 0; r < PER_WARP; ++r) {
        const int query = q0 + warp * PER_WARP + r;
#pragma unroll
        for (int d = 0; d < SLICES; ++d)
            if (query < p.queries && lane + 32 * d < HEAD) y[(i64)query * p.y_s + lane + 32 * d] = Down<T>::of(out[r][d] / sum[r]);
    }
}
#endif
