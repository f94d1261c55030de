// Types, conversions and functions that every kernel uses. OpenCL C 1.2 has neither templates nor overloading of one's own functions:
// names end in the type. Behind this come the kernels of a program, each under definitions of its own; ENTRY makes names unique.
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
typedef uchar u8;
typedef char i8;
typedef ushort u16;
typedef short i16;
typedef uint u32;
typedef int i32;
typedef ulong u64;
typedef long i64;
typedef float f32;
// Stored only: arithmetic is done in float, truth is a byte.
typedef ushort f16;
typedef ushort bf16;
typedef uchar truth;

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define ENTRY(name) JOIN(name##_, ID)
// A place is a buffer and the bytes in front of the first element; no buffer is a null pointer.
#define IN(type, name) __global const type* restrict name##_base, const ulong name##_at
#define OUT(type, name) __global type* restrict name##_base, const ulong name##_at
#define OPEN_IN(type, name) __global const type* name = (__global const type*)((__global const char*)name##_base + name##_at)
#define OPEN_OUT(type, name) __global type* name = (__global type*)((__global char*)name##_base + name##_at)
#define INFINITY_F as_float(0x7f800000)
#define __int_as_float(bits) as_float(bits)

#ifdef FP_FAST_FMAF
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#elif defined(CORES)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) mad(a, b, c)
#endif

// Halves by integer arithmetic, which compilers turn into vectors; PoCL's vload_half takes them one by one, and its vectors as aligned.
#define HALF_UP(F, U, h) { \
    const U m = h & (U)0x7fff, b = as_##U(as_##F(m << (U)13) * as_##F((U)0x77800000)); \
    return as_##F((m >= (U)0x7c00 ? b | (U)0x7f800000 : b) | ((h & (U)0x8000) << (U)16)); }
#define HALF_DOWN(F, U, v) { \
    const U u = as_##U(v), s = u & (U)0x80000000u, a = u ^ s; \
    const U large = a > (U)0x7f800000 ? (U)0x7e00 : (U)0x7c00, tiny = as_##U(as_##F(a) + (F)0.5f) - (U)0x3f000000; \
    const U usual = (a + (U)0xc8000fffu + ((a >> (U)13) & (U)1)) >> (U)13; \
    return (a >= (U)0x47800000 ? large : a < (U)0x38800000 ? tiny : usual) | (s >> (U)16); }
#ifdef CORES
static inline float widened_half(uint h) HALF_UP(float, uint, h)
static inline uint narrowed_half(float v) HALF_DOWN(float, uint, v)
static inline float up_f16(f16 v) { return widened_half((uint)v); }
static inline f16 bits_f16(float v) { return (f16)narrowed_half(v); }
#else
static inline float up_f16(f16 v) { return vload_half(0, (const __private half*)&v); }
static inline f16 bits_f16(float v) { f16 r; vstore_half_rte(v, 0, (__private half*)&r); return r; }
#endif
static inline float up_bf16(bf16 v) { return as_float((u32)v << 16); }
static inline bf16 bits_bf16(float v) {
    const u32 b = as_uint(v);
    return v != v ? (bf16)0x7fff : (bf16)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}
#define up_f32(v) ((float)(v))
#define up_truth(v) ((v) != 0)
#define up_i8(v) ((int)(v))
#define up_i16(v) ((int)(v))
#define up_i32(v) ((int)(v))
#define up_i64(v) ((i64)(v))
#define up_u8(v) ((u32)(v))
#define up_u16(v) ((u32)(v))
#define up_u32(v) ((u32)(v))
#define up_u64(v) ((u64)(v))
#define down_f16(v) bits_f16((float)(v))
#define down_bf16(v) bits_bf16((float)(v))
#define down_f32(v) ((f32)(v))
#define down_truth(v) ((truth)((v) != 0))
#define down_i8(v) ((i8)(v))
#define down_i16(v) ((i16)(v))
#define down_i32(v) ((i32)(v))
#define down_i64(v) ((i64)(v))
#define down_u8(v) ((u8)(v))
#define down_u16(v) ((u16)(v))
#define down_u32(v) ((u32)(v))
#define down_u64(v) ((u64)(v))
// What arithmetic on a stored type is done in.
#define wide_f16 float
#define wide_bf16 float
#define wide_f32 float
#define wide_truth bool
#define wide_i8 int
#define wide_i16 int
#define wide_i32 int
#define wide_i64 i64
#define wide_u8 u32
#define wide_u16 u32
#define wide_u32 u32
#define wide_u64 u64
#ifdef cl_khr_fp64
typedef double f64;
#define up_f64(v) ((double)(v))
#define down_f64(v) ((f64)(v))
#define wide_f64 double
typedef double precise;
#else
typedef float precise;
#endif
// A value as it is after being stored and read again, for narrow integers in the middle of an expression.
#define settle(type, v) JOIN(up_, type)(JOIN(down_, type)(v))

#define ORDERED(W) \
    static inline W JOIN(least_, W)(W a, W b) { return (a != a || a < b) ? a : b; } \
    static inline W JOIN(most_, W)(W a, W b) { return (a != a || a > b) ? a : b; } \
    static inline W JOIN(bounded_, W)(W x, W low, W high) { return x < low ? low : (x > high ? high : x); } \
    static inline W JOIN(sign_, W)(W x) { return (W)((x > (W)0) - (x < (W)0)); }
#define FLOATING(W) \
    static inline W JOIN(sigmoid_, W)(W x) { return (W)1 / ((W)1 + exp(-x)); } \
    static inline W JOIN(gelu_, W)(W x) { return (W)0.5f * x * ((W)1 + erf(x * (W)M_SQRT1_2_X)); } \
    static inline W JOIN(gelu_tanh_, W)(W x) { return (W)0.5f * x * ((W)1 + tanh((W)ROOT_2_PI * (x + (W)TANH_CUBE * x * x * x))); } \
    static inline W JOIN(softplus_, W)(W x) { return x > (W)20 ? x : log1p(exp(x)); }
#define WHOLE(W) \
    static inline W JOIN(int_power_, W)(W base, i64 exponent) { \
        if (exponent < 0) return base == (W)1 ? (W)1 : (base == (W)-1 ? (exponent & 1 ? (W)-1 : (W)1) : (W)0); \
        W result = (W)1; \
        for (; exponent; exponent >>= 1) { if (exponent & 1) result *= base; base *= base; } \
        return result; \
    } \
    static inline W JOIN(floor_mod_, W)(W a, W b) { \
        if (b == (W)0) return (W)0; \
        const W r = a % b; \
        return (r != (W)0 && ((r < (W)0) != (b < (W)0))) ? r + b : r; \
    } \
    static inline W JOIN(quotient_, W)(W a, W b) { return b == (W)0 ? (W)0 : (b == (W)-1 ? (W)0 - a : a / b); }
#ifdef cl_khr_fp64
#define M_SQRT1_2_X 0.70710678118654752440
#define ROOT_2_PI 0.79788456080286535588
#define TANH_CUBE 0.044715
ORDERED(double)
FLOATING(double)
#else
#define M_SQRT1_2_X 0.70710678118654752440f
#define ROOT_2_PI 0.79788456080286535588f
#define TANH_CUBE 0.044715f
#endif
ORDERED(float)
FLOATING(float)
ORDERED(int)
WHOLE(int)
ORDERED(i64)
WHOLE(i64)
ORDERED(u32)
WHOLE(u32)
ORDERED(u64)
WHOLE(u64)

// Activations that end a matrix product or a convolution.
#define activate_0(v, a, b) (v)
static inline float activate_1(float v, float a, float b) { return v < 0.f ? 0.f : v; }
static inline float activate_2(float v, float a, float b) { return bounded_float(v, a, b); }
static inline float activate_3(float v, float a, float b) { return sigmoid_float(v); }
static inline float activate_4(float v, float a, float b) { return bounded_float(a * v + b, 0.f, 1.f); }
static inline float activate_5(float v, float a, float b) { return v * bounded_float(v * (1.f / 6.f) + 0.5f, 0.f, 1.f); }
static inline float activate_6(float v, float a, float b) { return tanh(v); }
static inline float activate_7(float v, float a, float b) { return v < 0.f ? a * v : v; }
static inline float activate_8(float v, float a, float b) { return gelu_float(v); }
static inline float activate_9(float v, float a, float b) { return gelu_tanh_float(v); }
static inline float activate_10(float v, float a, float b) { return v * sigmoid_float(a * v); }

#define MAX_RANK 8
typedef struct { int rank; int size[MAX_RANK]; int step[MAX_RANK]; } Walk;
// The element offset of linear index `i` of a row-major walk over `size`.
static inline int offset_of(const __private Walk* w, int i) {
    int at = 0;
    for (int d = w->rank - 1; d >= 0; --d) { const int q = i / w->size[d]; at += (i - q * w->size[d]) * w->step[d]; i = q; }
    return at;
}
// Up to three spatial dimensions, any strides, so any layout.
typedef struct {
    int in_channels, out_channels, groups;
    int in[3], out[3], span[3], stride[3], pad[3], dilation[3];
    int x_n, x_c, x_s[3], y_n, y_c, y_s[3];
    int total;
} Window;
typedef struct {
    int rank, size[MAX_RANK], out[MAX_RANK], step[MAX_RANK];
    float scale[MAX_RANK], start[MAX_RANK], end[MAX_RANK];
    int coordinates, nearest, linear, extrapolates;
    float extrapolated;
} Scale;
// A matrix product; steps and pitches in elements, a batch of two levels.
typedef struct {
    int rows, columns, depth;
    int a_pitch, a_outer, a_inner, b_outer, b_inner, c_pitch, c_outer, c_inner, r_pitch, r_outer, r_inner;
    int inner, chunk;
    float scale, alpha, beta;
} Product;
typedef struct { int depth, columns, row, column, outer_step, inner_step, inner, total; } Packing;

#ifndef CORES
// Work items of a group that computes one row.
#define WIDTH 64
static float group_sum(float v, __local float* all) {
    const int lane = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    all[lane] = v;
    for (int o = WIDTH / 2; o; o >>= 1) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < o) all[lane] += all[lane + o];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return all[0];
}
static float group_most(float v, __local float* all) {
    const int lane = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    all[lane] = v;
    for (int o = WIDTH / 2; o; o >>= 1) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lane < o) all[lane] = fmax(all[lane], all[lane + o]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return all[0];
}
// There are as many groups as rows: no item may leave before the others wait for it.
#define ROW() __local float together[WIDTH]; const int row = get_group_id(0), lane = get_local_id(0)
#define SUM(v) group_sum(v, together)
#define MOST(v) group_most(v, together)
#else
#define WIDTH 1
#define ROW() const int row = get_global_id(0), lane = 0; if (row >= rows) return
#define SUM(v) (v)
#define MOST(v) (v)
#endif

// Vectors of the width that this device computes with.
#define V JOIN(float, LANES)
#define VI JOIN(int, LANES)
#define VLOAD JOIN(vload, LANES)
#define VSTORE JOIN(vstore, LANES)
#define VU JOIN(uint, LANES)
// Vectors of a stored type, computed with in float.
#define load_vector_f32(i, p) VLOAD(i, p)
#define store_vector_f32(v, i, p) VSTORE(v, i, p)
#define HALVES_UP(F, U, h) HALF_UP(F, U, h)
#define HALVES_DOWN(F, U, v) HALF_DOWN(F, U, v)
static inline V widened_V(VU h) HALVES_UP(V, VU, h)
static inline VU narrowed_V(V v) HALVES_DOWN(V, VU, v)
#define load_vector_f16(i, p) widened_V(JOIN(convert_uint, LANES)(VLOAD(i, (__global const ushort*)(p))))
#define store_vector_f16(v, i, p) VSTORE(JOIN(convert_ushort, LANES)(narrowed_V(v)), i, (__global ushort*)(p))
#define load_vector_bf16(i, p) JOIN(as_float, LANES)(JOIN(convert_uint, LANES)(VLOAD(i, (__global const ushort*)(p))) << (VU)16)
#define store_vector_bf16(v, i, p) VSTORE(bits_bf16_V(v), i, (__global ushort*)(p))
static inline JOIN(ushort, LANES) bits_bf16_V(V v) {
    const VU b = JOIN(as_uint, LANES)(v);
    return JOIN(convert_ushort, LANES)((b + (VU)0x7fff + ((b >> (VU)16) & (VU)1)) >> (VU)16);
}
static inline float sum_of(V v) {
    float t[LANES], s = 0.f;
    VSTORE(v, 0, t);
    for (int i = 0; i < LANES; ++i) s += t[i];
    return s;
}
static inline float most_of(V v) {
    float t[LANES];
    VSTORE(v, 0, t);
    float s = t[0];
    for (int i = 1; i < LANES; ++i) s = fmax(s, t[i]);
    return s;
}
static inline V bounded_V(V x, V low, V high) { return x < low ? low : (x > high ? high : x); }
static inline V sigmoid_V(V x) { return (V)1.f / ((V)1.f + exp(-x)); }
#define vector_0(v, a, b) (v)
static inline V vector_1(V v, float a, float b) { return v < (V)0.f ? (V)0.f : v; }
static inline V vector_2(V v, float a, float b) { return bounded_V(v, (V)a, (V)b); }
static inline V vector_3(V v, float a, float b) { return sigmoid_V(v); }
static inline V vector_4(V v, float a, float b) { return bounded_V((V)a * v + (V)b, (V)0.f, (V)1.f); }
static inline V vector_5(V v, float a, float b) { return v * bounded_V(v * (V)(1.f / 6.f) + (V)0.5f, (V)0.f, (V)1.f); }
static inline V vector_6(V v, float a, float b) { return tanh(v); }
static inline V vector_7(V v, float a, float b) { return v < (V)0.f ? (V)a * v : v; }
static inline V vector_8(V v, float a, float b) { return (V)0.5f * v * ((V)1.f + erf(v * (V)0.70710678f)); }
static inline V vector_9(V v, float a, float b) {
    return (V)0.5f * v * ((V)1.f + tanh((V)0.79788456f * (v + (V)0.044715f * v * v * v)));
}
static inline V vector_10(V v, float a, float b) { return v * sigmoid_V((V)a * v); }
// What kernels that are written once for both languages are made of.
#define KERNEL(name) __kernel void ENTRY(name)
#define FUNCTION static inline
#define NAMED(name) ENTRY(name)
#define GLOBAL __global
#define ITEM(i, total) const int i = get_global_id(0); if (i >= total) return
#define LOCATE(walk, i) offset_of(&walk, i)
#define NUMBER JOIN(wide_, T)
#define LOAD(v) JOIN(up_, T)(v)
#define SAVE(v) JOIN(down_, T)(v)
#define LEAST(a, b) JOIN(least_, JOIN(wide_, T))(a, b)
#define LARGEST(a, b) JOIN(most_, JOIN(wide_, T))(a, b)
static inline i64 wrap_index(i64 i, i64 size) { i = i < 0 ? i + size : i; return i < 0 ? 0 : (i >= size ? size - 1 : i); }
