// Types and conversions that every kernel uses. No header is included: NVRTC then needs no toolkit on the machine.
typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;
typedef float f32;
typedef double f64;
struct f16 { u16 bits; };
struct bf16 { u16 bits; };
struct truth { u8 bits; };

__device__ __forceinline__ float up(f16 v) { float r; asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(v.bits)); return r; }
__device__ __forceinline__ float up(bf16 v) { return __uint_as_float((u32)v.bits << 16); }
__device__ __forceinline__ float up(f32 v) { return v; }
__device__ __forceinline__ double up(f64 v) { return v; }
__device__ __forceinline__ bool up(truth v) { return v.bits != 0; }
__device__ __forceinline__ int up(i8 v) { return v; }
__device__ __forceinline__ int up(i16 v) { return v; }
__device__ __forceinline__ int up(i32 v) { return v; }
__device__ __forceinline__ i64 up(i64 v) { return v; }
__device__ __forceinline__ u32 up(u8 v) { return v; }
__device__ __forceinline__ u32 up(u16 v) { return v; }
__device__ __forceinline__ u32 up(u32 v) { return v; }
__device__ __forceinline__ u64 up(u64 v) { return v; }

// What arithmetic on a stored type is done in.
template <class T> struct Wide { typedef float type; };
template <> struct Wide<f64> { typedef double type; };
template <> struct Wide<truth> { typedef bool type; };
template <> struct Wide<i8> { typedef int type; };
template <> struct Wide<i16> { typedef int type; };
template <> struct Wide<i32> { typedef int type; };
template <> struct Wide<i64> { typedef i64 type; };
template <> struct Wide<u8> { typedef u32 type; };
template <> struct Wide<u16> { typedef u32 type; };
template <> struct Wide<u32> { typedef u32 type; };
template <> struct Wide<u64> { typedef u64 type; };

template <class T> struct Down { template <class S> static __device__ __forceinline__ T of(S v) { return (T)v; } };
template <> struct Down<f16> {
    template <class S> static __device__ __forceinline__ f16 of(S v) {
        f16 r; float f = (float)v; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(f)); return r;
    }
};
template <> struct Down<bf16> {
    template <class S> static __device__ __forceinline__ bf16 of(S v) {
        float f = (float)v; u32 b = __float_as_uint(f); bf16 r;
        r.bits = (f != f) ? (u16)0x7fff : (u16)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
        return r;
    }
};
template <> struct Down<truth> {
    template <class S> static __device__ __forceinline__ truth of(S v) { truth r; r.bits = v != (S)0; return r; }
};
// A value as it is after being stored and read again, for narrow integers in the middle of an expression.
template <class T, class S> __device__ __forceinline__ typename Wide<T>::type settle(S v) { return up(Down<T>::of(v)); }

#define INFINITY_F __int_as_float(0x7f800000)

template <class T> __device__ __forceinline__ T least(T a, T b) { return (a != a || a < b) ? a : b; }
template <class T> __device__ __forceinline__ T most(T a, T b) { return (a != a || a > b) ? a : b; }
template <class T> __device__ __forceinline__ T sigmoid(T x) { return (T)1 / ((T)1 + exp(-x)); }
template <class T> __device__ __forceinline__ T bounded(T x, T low, T high) { return x < low ? low : (x > high ? high : x); }
template <class T> __device__ __forceinline__ T gelu(T x) { return (T)0.5 * x * ((T)1 + erf(x * (T)0.70710678118654752440)); }
template <class T> __device__ __forceinline__ T gelu_tanh(T x) {
    return (T)0.5 * x * ((T)1 + tanh((T)0.79788456080286535588 * (x + (T)0.044715 * x * x * x)));
}
template <class T> __device__ __forceinline__ T softplus(T x) { return x > (T)20 ? x : log1p(exp(x)); }
template <class T> __device__ __forceinline__ T sign(T x) { return (T)((x > (T)0) - (x < (T)0)); }
template <class T> __device__ __forceinline__ T int_power(T base, i64 exponent) {
    if (exponent < 0) return base == (T)1 ? (T)1 : (base == (T)-1 ? (exponent & 1 ? (T)-1 : (T)1) : (T)0);
    T result = (T)1;
    for (; exponent; exponent >>= 1) { if (exponent & 1) result *= base; base *= base; }
    return result;
}
template <class T> __device__ __forceinline__ T floor_mod(T a, T b) { if (b == (T)0) return (T)0; T r = a % b; return (r != (T)0 && ((r < (T)0) != (b < (T)0))) ? r + b : r; }
template <class T> __device__ __forceinline__ T quotient(T a, T b) { return b == (T)0 ? (T)0 : (b == (T)-1 ? (T)0 - a : a / b); }

// Activations that end a matrix product or a convolution; `kind` is a compile-time constant.
template <int kind> __device__ __forceinline__ float activate(float v, float a, float b) {
    if (kind == 1) return v < 0.f ? 0.f : v;
    if (kind == 2) return bounded(v, a, b);
    if (kind == 3) return sigmoid(v);
    if (kind == 4) return bounded(a * v + b, 0.f, 1.f);
    if (kind == 5) return v * bounded(v * (1.f / 6.f) + 0.5f, 0.f, 1.f);
    if (kind == 6) return tanhf(v);
    if (kind == 7) return v < 0.f ? a * v : v;
    if (kind == 8) return gelu(v);
    if (kind == 9) return gelu_tanh(v);
    if (kind == 10) return v * sigmoid(a * v);
    return v;
}

#define MAX_RANK 8
struct Walk { int rank; int size[MAX_RANK]; int step[MAX_RANK]; };
// The element offset of linear index `i` of a row-major walk over `size`.
__device__ __forceinline__ int offset_of(const Walk& w, int i) {
    int at = 0;
    for (int d = w.rank - 1; d >= 0; --d) { int q = i / w.size[d]; at += (i - q * w.size[d]) * w.step[d]; i = q; }
    return at;
}
__device__ __forceinline__ float warp_sum(float v) { for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o); return v; }
__device__ __forceinline__ float warp_max(float v) { for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, o)); return v; }
