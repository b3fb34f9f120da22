/* Weight gradient of a 7x7 depthwise convolution (stride 1, padding 3) over channels-last bfloat16 maps.
 *
 * x, g: (n, h, w, c) bfloat16; out: (49, c) float32, overwritten. c is a multiple of 16.
 * One block of 16 channels at a time: seven running sums (one row of the kernel) stay in registers
 * while the whole map goes by; columns are padded with zeros so that the inner loop has no branch.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(64)));
typedef uint32_t bits __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));

static inline lanes widen(const uint16_t *from) {
    halves h;
    memcpy(&h, from, sizeof h);
    bits b = __builtin_convertvector(h, bits) << 16;
    lanes v;
    memcpy(&v, &b, sizeof v);
    return v;
}

int pinhole_depthwise_grad(const uint16_t *x, const uint16_t *g, float *out, long n, long h, long w, long c) {
    const long wide = w + 6;
    lanes *xs = aligned_alloc(64, sizeof(lanes) * (size_t)(h * wide + h * w));
    if (!xs) return 1;
    lanes *gs = xs + h * wide;
    memset(xs, 0, sizeof(lanes) * (size_t)(h * wide));
    for (long block = 0; block < c; block += 16) {
        lanes sums[7][7];
        memset(sums, 0, sizeof sums);
        for (long photo = 0; photo < n; photo++) {
            const long base = photo * h * w * c + block;
            for (long row = 0; row < h; row++)
                for (long col = 0; col < w; col++) {
                    xs[row * wide + col + 3] = widen(x + base + (row * w + col) * c);
                    gs[row * w + col] = widen(g + base + (row * w + col) * c);
                }
            for (long i = 0; i < 7; i++) {
                const long first = i < 3 ? 3 - i : 0, last = i > 3 ? h + 3 - i : h;
                lanes a0 = sums[i][0], a1 = sums[i][1], a2 = sums[i][2], a3 = sums[i][3];
                lanes a4 = sums[i][4], a5 = sums[i][5], a6 = sums[i][6];
                for (long row = first; row < last; row++) {
                    const lanes *from = xs + (row + i - 3) * wide, *grad = gs + row * w;
                    for (long col = 0; col < w; col++) {
                        const lanes v = grad[col];
                        a0 += v * from[col];
                        a1 += v * from[col + 1];
                        a2 += v * from[col + 2];
                        a3 += v * from[col + 3];
                        a4 += v * from[col + 4];
                        a5 += v * from[col + 5];
                        a6 += v * from[col + 6];
                    }
                }
                sums[i][0] = a0, sums[i][1] = a1, sums[i][2] = a2, sums[i][3] = a3;
                sums[i][4] = a4, sums[i][5] = a5, sums[i][6] = a6;
            }
        }
        for (long k = 0; k < 49; k++) memcpy(out + k * c + block, &sums[k / 7][k % 7], sizeof(lanes));
    }
    free(xs);
    return 0;
}
