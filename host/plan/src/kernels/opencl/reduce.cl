// Reductions over any dimensions of any view, one work item a result. OP: 0 sum, 1 mean, 2 max, 3 min, 4 product, 5 sum of magnitudes,
// 6 root of the sum of squares, 7 sum of squares, 8 logarithm of the sum, 9 logarithm of the sum of exponentials.
#define W JOIN(wide_, T)
#define UP JOIN(up_, T)
#define DOWN JOIN(down_, T)
#define MORE JOIN(most_, W)
#define LESS JOIN(least_, W)
__kernel void ENTRY(reduce)(IN(T, x), OUT(T, y), Walk kept, Walk gone, int total, int count) {
    OPEN_IN(T, x); OPEN_OUT(T, y);
    const int i = get_global_id(0);
    if (i >= total) return;
    x += offset_of(&kept, i);
    // The innermost dimension is stepped through, the others are walked.
    const int inner = gone.rank ? gone.size[gone.rank - 1] : 1, step = gone.rank ? gone.step[gone.rank - 1] : 0;
    // A copy: work items of a group may share a structure among the arguments.
    Walk far = gone;
    far.rank = gone.rank ? gone.rank - 1 : 0;
    const int outer = count / max(inner, 1);
    W top = 0;
#if OP == 9
    top = UP(x[0]);
    for (int o = 0; o < outer; ++o) { __global const T* from = x + offset_of(&far, o); for (int k = 0; k < inner; ++k) top = MORE(top, (W)UP(from[k * step])); }
#endif
#if OP == 4
    W v = (W)1;
#elif OP == 2 || OP == 3
    W v = UP(x[0]);
#else
    W v = (W)0;
#endif
    for (int o = 0; o < outer; ++o) {
        __global const T* from = x + offset_of(&far, o);
        for (int k = 0; k < inner; ++k) {
            const W one = UP(from[k * step]);
#if OP == 2
            v = MORE(v, one);
#elif OP == 3
            v = LESS(v, one);
#elif OP == 4
            v = v * one;
#elif OP == 5
            v += one < (W)0 ? (W)0 - one : one;
#elif OP == 6 || OP == 7
            v += one * one;
#elif OP == 9
            v += (W)exp((precise)(one - top));
#else
            v += one;
#endif
        }
    }
#if OP == 1
    v = v / (W)count;
#elif OP == 6
    v = (W)sqrt((precise)v);
#elif OP == 8
    v = (W)log((precise)v);
#elif OP == 9
    v = (W)(log((precise)v) + (precise)top);
#endif
    y[i] = DOWN(v);
}
#undef W
#undef UP
#undef DOWN
#undef MORE
#undef LESS
