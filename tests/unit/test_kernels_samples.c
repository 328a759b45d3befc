/* test_kernels_samples.c - from 8-bit samples to rows of floats, of another size. */
#include "tests/unit/check.h"

#include "engine/kernels.h"

static const size_t lengths[] = {1,  2,  3,  4,  5,  7,  8,  9,  15,  16,
                                 17, 23, 31, 32, 33, 63, 64, 65, 100, 257};

enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

/* n bytes that end with a page. */
static uint8_t *guarded_bytes(size_t n)
{
    uint8_t *bytes = (uint8_t *)guarded_floats((n + 3) / 4) + -n % 4;
    uint64_t seed = n;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)draw(&seed, 0, 255);
    return bytes;
}

static void check_samples(const struct kernels *k, size_t n, bool around)
{
    const uint8_t *in = guarded_bytes(n), *rgb = guarded_bytes(3 * n);
    float *out = guarded_floats(n), *gray = guarded_floats(n);
    float *from = guarded_floats(3 * n);

    k->widen(out, in, n, 0.3f, around);
    for (size_t x = 0; x < n; x++)
        cr_assert_eq(out[x], (float)in[x] * 0.3f, "%s, %zu of %zu", k->name, x, n);
    k->gray_u8(out, rgb, n, 0.3f, around);
    for (size_t x = 0; x < 3 * n; x++)
        from[x] = rgb[x];
    for (size_t x = 0; x < n; x++) {
        const float *p = from + 3 * x;
        const float want = (p[0] * 0.2989f + p[1] * 0.587f + p[2] * 0.114f) * 0.3f;
        cr_assert_eq(out[x], want, "%s, gray, %zu of %zu", k->name, x, n);
    }
    k->gray(gray, from, n, 0.3f);
    cr_assert(same_bits(gray, out, n), "%s, n %zu", k->name, n);
}

Test(kernels_samples, samples_become_floats_and_gray)
{
    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t k = 0; kernels_nth(k); k++) {
            check_samples(kernels_nth(k), lengths[i], false);
            check_samples(kernels_nth(k), lengths[i], true);
        }
}

Test(kernels_samples, rows_are_added)
{
    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t k = 0; kernels_nth(k); k++)
            for (int begin = 0; begin < 2; begin++) {
                const size_t n = lengths[i];
                const uint8_t *bytes = guarded_bytes(n);
                float *row = guarded_floats(n), *sum = guarded_floats(n);
                float *want = guarded_floats(n);

                for (size_t x = 0; x < n; x++) {
                    row[x] = bytes[x];
                    sum[x] = begin ? NAN : 1;
                    want[x] = (float)!begin + row[x] * 0.7f;
                }
                kernels_nth(k)->add_row(sum, row, 0.7f, n, begin);
                cr_assert(same_bits(want, sum, n), "%s, n %zu", kernels_nth(k)->name,
                          n);
                for (size_t x = 0; x < n; x++)
                    sum[x] = begin ? NAN : 1;
                kernels_nth(k)->add_row_u8(sum, bytes, 0.7f, n, begin);
                cr_assert(same_bits(want, sum, n), "%s, bytes, n %zu",
                          kernels_nth(k)->name, n);
            }
}

enum { WEIGH_TAPS = 6, WEIGH_MOST = 70, WEIGH_WIDTH = 200 };

/* What each of n cells reads, in groups. */
struct weigh_case {
    size_t n, channels;
    int32_t first[WEIGH_MOST + KERNEL_LANES];
    float weights[WEIGH_MOST + KERNEL_LANES][WEIGH_TAPS];
    float groups_weights[(WEIGH_MOST + KERNEL_LANES) * WEIGH_TAPS];
    struct weigh_group groups[WEIGH_MOST / KERNEL_LANES + 1];
};

/* Taps are fewer in some cells of a group, and one within is 0. */
static void draw_cells(struct weigh_case *w)
{
    uint64_t seed = w->n;

    memset(w->groups_weights, 0, sizeof w->groups_weights);
    for (size_t x = 0; x < WEIGH_MOST + KERNEL_LANES; x++) {
        const size_t taps = x % 5 == 0 ? 3 : x % 7 == 0 ? WEIGH_TAPS : 5;
        w->first[x] = (int32_t)(2 * (x < w->n ? x : w->n - 1));
        for (size_t k = 0; k < WEIGH_TAPS; k++)
            w->weights[x][k] =
                k < taps && (x != 9 || k != 2) ? (float)draw(&seed, 1, 9) / 8 : 0;
    }
    for (size_t g = 0; g * KERNEL_LANES < w->n; g++) {
        float *to = w->groups_weights + g * KERNEL_LANES * WEIGH_TAPS;
        for (size_t l = 0; l < KERNEL_LANES; l++)
            for (size_t k = 0; k < WEIGH_TAPS; k++)
                to[k * KERNEL_LANES + l] = w->weights[g * KERNEL_LANES + l][k];
        w->groups[g] = (struct weigh_group){to, g == 0 ? 2 : 3, WEIGH_TAPS};
    }
}

static void check_weigh(struct weigh_case *w)
{
    const size_t floats = WEIGH_WIDTH * w->channels + KERNEL_LANES;
    const size_t room = (w->n + KERNEL_LANES) * w->channels + KERNEL_LANES;
    float *in = guarded_floats(floats), *out = guarded_floats(room);

    draw_cells(w);
    fill_random(in, floats, 3, w->n);
    for (size_t x = 0; x < w->n; x += 5) /* what the fourth tap would read */
        in[((size_t)w->first[x] + 5) * w->channels] = x % 2 ? NAN : INFINITY;
    for (size_t k = 0; kernels_nth(k); k++) {
        const struct weigh_call call = {out,       in,   w->first,
                                        w->groups, w->n, w->channels};
        kernels_nth(k)->weigh(&call);
        for (size_t i = 0; i < w->n * w->channels; i++) {
            const size_t x = i / w->channels, c = i % w->channels;
            float want = 0;
            for (size_t t = 0; t < WEIGH_TAPS; t++)
                if (w->weights[x][t] != 0)
                    want += in[((size_t)w->first[x] + t) * w->channels + c] *
                            w->weights[x][t];
            cr_assert(same_bits(&want, out + i, 1),
                      "%s, cell %zu of %zu, channel %zu of %zu", kernels_nth(k)->name,
                      x, w->n, c, w->channels);
        }
    }
}

Test(kernels_samples, a_row_is_weighed_along_itself)
{
    static const size_t channels[] = {1, 2, 3, 4, 8, 17};
    struct weigh_case w;

    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
        for (size_t n = 1; n <= WEIGH_MOST; n += n < 20 ? 1 : 17) {
            w.n = n;
            w.channels = channels[c];
            check_weigh(&w);
        }
}

Test(kernels_samples, values_become_colours)
{
    const float low[3] = {-1, 0, -2}, high[3] = {1, 0.5f, INFINITY};

    for (size_t i = 0; i < N_LENGTHS; i++)
        for (size_t k = 0; kernels_nth(k); k++) {
            const size_t n = lengths[i];
            float *in = guarded_floats(3 * n);
            uint8_t *out = guarded_bytes(3 * n);

            fill_random(in, 3 * n, 3, n);
            in[0] = NAN;
            in[3 * n / 2] = INFINITY;
            kernels_nth(k)->colors(out, in, n, low, high);
            for (size_t x = 0; x < 3 * n; x++) {
                const float part = (in[x] - low[x % 3]) / (high[x % 3] - low[x % 3]);
                const float shown = part > 0 ? part < 1 ? part : 1.0f : 0.0f;
                cr_assert_eq(out[x], (uint8_t)(shown * 255.0f), "%s, %zu of %zu",
                             kernels_nth(k)->name, x, n);
            }
        }
}
