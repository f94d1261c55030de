// What kernels that are written once for both languages are made of.
#define KERNEL(name) extern "C" __global__ void name
#define FUNCTION static __device__ __forceinline__
#define NAMED(name) name
#define GLOBAL
#define IN(type, name) const type* __restrict__ name
#define OUT(type, name) type* __restrict__ name
#define OPEN_IN(type, name)
#define OPEN_OUT(type, name)
#define ITEM(i, total) const int i = blockIdx.x * blockDim.x + threadIdx.x; if (i >= total) return
#define LOCATE(walk, i) offset_of(walk, i)
#define NUMBER Wide<T>::type
#define LOAD(v) up(v)
#define SAVE(v) Down<T>::of(v)
#define LEAST(a, b) least(a, b)
#define LARGEST(a, b) most(a, b)
__device__ __forceinline__ i64 wrap_index(i64 i, i64 size) { i = i < 0 ? i + size : i; return i < 0 ? 0 : (i >= size ? size - 1 : i); }
// Up to three spatial dimensions, any strides.
struct Window {
    int in_channels, out_channels, groups;
    int in[3], out[3], span[3], stride[3], pad[3], dilation[3];
    int x_n, x_c, x_s[3], y_n, y_c, y_s[3];
    int total;
};
