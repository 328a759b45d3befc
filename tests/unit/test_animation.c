/*
 * test_animation.c - animations by api_call; giflib reads back what was written. What
 * the frames show is looked at in tests/http/test_pictures.py, by another reader.
 */
#include "tests/unit/api_harness.h"

#include <gif_lib.h>

#include "api/animation.h"
#include "api/animation_number.h"
#include "api/gif.h"
#include "tests/unit/odd_parallel.h"
#include "tests/unit/run_network.h"

static struct api_session *session;

static void set_up(void)
{
    static struct api_settings settings;

    cr_assert(api_settings_init(&settings, NULL));
    session = api_session_new(&settings, &parallel_serial);
    cr_assert(session);
}

static void tear_down(void)
{
    api_session_free(session);
}

TestSuite(animation, .init = set_up, .fini = tear_down);

/* ---- GIF ---- */

struct source {
    const unsigned char *bytes;
    size_t left;
};

static int read_bytes(GifFileType *file, GifByteType *to, int n)
{
    struct source *source = file->UserData;
    const size_t size = (size_t)n < source->left ? (size_t)n : source->left;

    memcpy(to, source->bytes, size);
    source->bytes += size;
    source->left -= size;
    return (int)size;
}

static GifFileType *slurp(const void *bytes, size_t size)
{
    struct source source = {bytes, size};
    int code;
    GifFileType *gif = DGifOpen(&source, read_bytes, &code);

    cr_assert(gif, "%d", code);
    cr_assert_eq(DGifSlurp(gif), GIF_OK, "%d", gif->Error);
    cr_assert_eq(source.left, 0);
    return gif;
}

/* Lay a frame over what is shown already. */
static void show(const GifFileType *gif, int frame, unsigned char *shown)
{
    const SavedImage *image = &gif->SavedImages[frame];
    const GifImageDesc *at = &image->ImageDesc;
    GraphicsControlBlock control;

    cr_assert_eq(
        DGifSavedExtensionToGCB((GifFileType *)(uintptr_t)gif, frame, &control),
        GIF_OK);
    cr_assert_eq(control.DisposalMode, DISPOSE_DO_NOT);
    cr_assert_eq(at->ColorMap, NULL);
    for (int i = 0; i < at->Width * at->Height; i++) {
        const int x = at->Left + i % at->Width, y = at->Top + i / at->Width;
        if (image->RasterBits[i] != control.TransparentColor)
            shown[y * gif->SWidth + x] = image->RasterBits[i];
    }
}

Test(animation, frames_come_back_as_they_were)
{
    enum { W = 37, H = 23, FRAMES = 12 };
    static uint8_t frames[FRAMES][W * H];
    static unsigned char shown[W * H];
    uint32_t palette[GIF_MAX_COLORS];
    uint64_t state = 3;

    for (size_t n_colors = 1; n_colors <= GIF_MAX_COLORS; n_colors += 127) {
        const struct gif_spec spec = {W, H, n_colors, palette};
        struct arena arena = new_arena(1 << 20);
        struct buffer out;
        struct error err;
        for (uint32_t i = 0; i < n_colors; i++)
            palette[i] = i * 0x010203;
        buffer_init(&out, 1 << 20);
        struct gif *gif = gif_new(&spec, &arena, &out, &err);
        cr_assert(gif);
        for (int f = 0; f < FRAMES; f++) {
            if (f)
                memcpy(frames[f], frames[f - 1], W * H);
            /* All; nothing; or some cells of it. */
            for (int i = 0; i < (f == 0 ? W * H : f == 5 ? 0 : 4 * f); i++)
                frames[f][f ? (int)(generate_uniform(&state) * W * H) : i] =
                    (uint8_t)(generate_uniform(&state) * (double)n_colors);
            gif_frame(gif, frames[f], 0.1 * f);
        }
        cr_assert(gif_finish(gif));
        GifFileType *read = slurp(out.bytes, out.size);
        cr_assert(read->SWidth == W && read->SHeight == H);
        cr_assert_eq(read->ImageCount, FRAMES);
        for (int f = 0; f < FRAMES; f++) {
            show(read, f, shown);
            cr_assert_eq(memcmp(shown, frames[f], W * H), 0, "frame %d", f);
        }
        for (size_t i = 0; i < n_colors; i++) {
            const GifColorType *c = &read->SColorMap->Colors[i];
            cr_assert_eq((uint32_t)(c->Red << 16 | c->Green << 8 | c->Blue),
                         palette[i]);
        }
        DGifCloseFile(read, NULL);
        buffer_release(&out);
        arena_release(&arena);
    }
}

/* ---- numbers ---- */

/* Of a grid of these values in cells of this width: the first as it is written; "" if
 * it is not. */
Test(animation, numbers_have_as_many_decimals_as_fit)
{
    static const struct {
        float values[4];
        double width;
        const char *text;
    } rows[] = {
        {{0.4821f, 0, 1, -0.25f}, 80, "0.48"}, /* three digits of the largest */
        {{0.4821f, 0, 0.5f, 0.25f}, 80, "0.482"},
        {{0.4821f, 0, 0.5f, 0.25f}, 22, "0.48"},
        {{-0.4821f, 0, 0.5f, 0.25f}, 18, "-0.5"},
        {{0.4821f, 0, 0.5f, 0.25f}, 5, ""},
        {{12345.678f, 0, 0.5f, 0.25f}, 30, "12346"}, /* one large among small ones */
        {{0.25f, 0, 0.5f, 12345.678f}, 30, "0"},
        {{-0.001f, 5, 6.5f, 7}, 80, "0.00"},
        {{-0.5f, 100.5f, 0, 0}, 80, "0"},
        {{53, -255, 0, 3}, 80, "53"},
        {{53, -255, 0, 3}, 12, ""},
        {{3e-7f, 0, 0, 0}, 80, "3e-07"},
        {{3.456e8f, 1, 2, 3}, 80, "3.5e+08"},
        {{3e38f, -3e38f, 0, 0}, 80, "3e+38"},
        {{NAN, 1, INFINITY, 2}, 80, "nan"},
        {{-NAN, NAN, NAN, NAN}, 80, "nan"},
    };
    const struct canvas_page page = {100, 100, 100};
    struct arena arena = new_arena(1 << 20);
    struct error err;
    struct canvas *canvas = canvas_new(CANVAS_PIXELS, &page, &arena, NULL, &err);

    cr_assert(canvas);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct animation_grid grid = {2, 2, 1, rows[i].values};
        const struct animation_range range = animation_range_of(&grid);
        const struct animation_style style = animation_style_of(
            canvas, &range, (struct canvas_font){false, 13}, rows[i].width);
        char text[NUMBER_TEXT_SIZE] = "";
        if (style.font.size > 0)
            animation_number_print(text, rows[i].values[0], &style);
        cr_expect_str_eq(text, rows[i].text, "row %zu: %s", i, text);
        if (style.font.size > 0 && isfinite(rows[i].values[0]))
            cr_expect_leq(canvas_measure(canvas, &style.font, text).width,
                          rows[i].width + 0.01);
    }
    cr_assert(canvas_finish(canvas));
    arena_release(&arena);
}

Test(animation, numbers_keep_their_integer_part)
{
    static const struct {
        double value;
        int digits;
        const char *text;
    } rows[] = {
        {0.0612, 2, "0.061"},   {-0.0, 3, "0"},         {1234.6, 2, "1235"},
        {999.7, 2, "1000"},     {999.7, 3, "1000"},     {9999.96, 4, "10000"},
        {99999.7, 3, "100000"}, {-99.96, 3, "-100"},    {1234567, 2, "1.2e+06"},
        {NAN, 3, "nan"},        {-INFINITY, 3, "-inf"},
    };
    char text[NUMBER_TEXT_SIZE];

    for (size_t i = 0; i < COUNT(rows); i++) {
        number_print(text, rows[i].value, rows[i].digits);
        cr_expect_str_eq(text, rows[i].text, "%g: %s", rows[i].value, text);
    }
}

Test(animation, where_no_number_is_finite_no_product_is)
{
    const struct animation_range none = {INFINITY, -INFINITY, true},
                                 some = {-1, 2, true};
    const struct animation_range product = animation_range_product(&none, &some);

    cr_expect_gt(product.low, product.high);
}

/* ---- requests ---- */

static struct api_reply get(const char *query)
{
    const struct ask ask = {.method = "GET", .path = "/v1/animation", .query = query};

    return answer(session, &ask);
}

static struct api_reply post(const char *query, const char *config)
{
    static char body[4096];
    const struct ask ask = {.method = "POST",
                            .path = "/v1/animation",
                            .query = query,
                            .type = FORM,
                            .body = body};

    snprintf(body, sizeof body, PART("config", "%s") END, config);
    return answer(session, &ask);
}

/* Frames, and their time in hundredths of a second: 2 s more for the last. */
static void expect_frames(struct api_reply *reply, int frames, int delay)
{
    GraphicsControlBlock control;

    cr_assert_eq(reply->status, 200, "%.*s", (int)reply->body_size,
                 (char *)reply->body);
    cr_assert_str_eq(reply->content_type, "image/gif");
    GifFileType *gif = slurp(reply->body, reply->body_size);
    cr_expect_eq(gif->ImageCount, frames, "%d frames", gif->ImageCount);
    for (int i = 0; i < gif->ImageCount; i++) {
        DGifSavedExtensionToGCB(gif, i, &control);
        cr_expect_eq(control.DelayTime, delay + (i + 1 == frames ? 200 : 0));
    }
    DGifCloseFile(gif, NULL);
    api_reply_release(reply);
}

Test(animation, a_frame_for_each_cell_of_the_output)
{
    static const struct {
        const char *query;
        int frames, delay;
    } rows[] = {
        {"", 25, 50},
        {"op=conv&input_size=7&kernel_size=3&strides=1&padding=valid&dilation=1", 25,
         50},
        {"input_size=6&strides=2&padding=same", 9, 50},
        {"input_size=5,9&kernel_size=1,4&fps=4", 30, 25},
        {"input_size=9&dilation=2", 25, 50},
        {"input_size=3&kernel=[[1,0],[0,-1]]", 4, 50},
        {"op=max_pool&input_size=8", 16, 50},
        {"op=average_pool&input_size=8", 16, 50},
        {"op=max_pool&input_size=7&padding=same", 16, 50},
        {"op=average_pool&input_size=7&kernel_size=3&strides=1&padding=same", 49, 50},
        {"op=max_pool&input_size=9&kernel_size=3&dilation=2&strides=1", 25, 50},
        {"op=average_pool&input_size=9&dilation=2,3&padding=Same", 25, 50},
        {"op=max_pool&dilation=1", 9, 50},
        {"input_size=6&strides=2&padding=SAME", 9, 50},
        {"op=max_pool&input_size=1&dilation=2&padding=same", 1, 50},
        {"input_size=1&kernel_size=1", 1, 50},
        {"input_size=20&max_frames=10&fps=10", 10, 10},
        {"input_size=20&max_frames=2", 2, 50},
        {"input_size=300&kernel_size=63&max_frames=3", 3, 50},
        {"input_size=512,1&kernel_size=1&max_frames=3", 3, 50},
        {"input=circle&size=12&val=1", 100, 50},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].query), again = get(rows[i].query);
        cr_expect(same_body(&reply, &again), "%s", rows[i].query);
        expect_frames(&reply, rows[i].frames, rows[i].delay);
        api_reply_release(&again);
    }
}

#define TWO                                                                            \
    "[{\"type\":\"conv2d\",\"filters\":4,\"kernel_size\":3,\"name\":\"a\"},"           \
    "{\"type\":\"depthwise_conv2d\",\"kernel_size\":2,\"depth_multiplier\":2,"         \
    "\"name\":\"b\"},"                                                                 \
    "{\"type\":\"conv2d\",\"filters\":6,\"groups\":2,\"kernel_size\":2,\"name\":"      \
    "\"c\"},"                                                                          \
    "{\"type\":\"average_pooling2d\",\"pool_size\":2,\"name\":\"d\"},{\"type\":"       \
    "\"flatten\"}]"

Test(animation, layers_of_a_config)
{
    static const struct {
        const char *query;
        int frames;
    } rows[] = {
        {"", 25},
        {"layer=a", 25},
        {"layer=b&channel=7", 16},
        {"layer=c&channel=5", 9},
        {"layer=d", 1},
        {"layer=d&input_size=11", 9},
        {"layer=d&input_shape=11,11,3", 9},
        {"layer=d&input=circle&size=11", 9},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = post(rows[i].query, TWO);
        expect_frames(&reply, rows[i].frames, 50);
    }
}

/* Every second cell of the input, of which the corner is padding. */
Test(animation, a_dilated_pool_sees_its_own_cells)
{
    static const struct {
        enum option_op op;
        float output[9];
    } rows[] = {
        {OP_MAX_POOL, {5, 6, 5, 8, 9, 8, 5, 6, 5}},
        {OP_AVERAGE_POOL, {5, 5, 5, 5, 5, 5, 5, 5, 5}},
    };
    static const float input[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    float output[9];

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct animation a = {.op = rows[i].op,
                              .input = {3, 3, 1, input},
                              .output = {3, 3, 1, NULL},
                              .window = {.height = 2, .width = 2},
                              .strides = {1, 1},
                              .dilation = {2, 2},
                              .pad = {1, 1, 1, 1}};
        animation_pool(&a, &odd_parallel, output);
        for (size_t k = 0; k < 9; k++)
            cr_expect_eq(output[k], rows[i].output[k], "%d: %zu: %g", rows[i].op, k,
                         (double)output[k]);
        a.pad = (struct pads){3, 3, 3, 3}; /* and nothing else */
        animation_pool(&a, &odd_parallel, output);
        cr_expect(isnan(output[0]));
    }
}

/* Without dilation it is the engine's pool, bit for bit, wherever values are NaN. */
Test(animation, it_pools_as_the_engine_does)
{
    static const char *const kinds[] = {
        [OP_MAX_POOL] = "MaxPooling2D", [OP_AVERAGE_POOL] = "AveragePooling2D"};
    enum { SIDE = 13 };
    float input[SIDE * SIDE], output[SIDE * SIDE];
    uint64_t seed = 1;

    for (int i = 0; i < 64; i++) {
        const enum option_op op = i % 2 ? OP_MAX_POOL : OP_AVERAGE_POOL;
        struct arena arena = new_arena(1 << 20);
        struct layer layer = new_layer(kinds[op], "p", 0);
        const struct stage_request wanted = {.output = true};
        struct network network = {.layers = &layer, .n_layers = 1};
        struct plan plan;
        struct error err;

        fill_random(input, SIDE * SIDE, 3, seed);
        for (int k = draw(&seed, 0, 40); k > 0; k--)
            input[draw(&seed, 0, SIDE * SIDE - 1)] = NAN;
        for (size_t k = 0; k < 2; k++) {
            layer.pool_size[k] = draw(&seed, 1, 6);
            layer.strides[k] = draw(&seed, 1, 4);
        }
        layer.padding = draw(&seed, 0, 1) ? PADDING_SAME : PADDING_VALID;
        cr_assert(run(&network, &SHAPE(SIDE, SIDE, 1), input, &wanted, kernels_nth(0),
                      &parallel_serial, &arena, &plan, &err),
                  "%s", err.detail);
        const struct layer_plan *p = &plan.layers[0];
        const struct animation a = {
            .op = op,
            .input = {SIDE, SIDE, 1, input},
            .output = {p->out.dim[0], p->out.dim[1], 1, NULL},
            .window = {.height = (size_t)layer.pool_size[0],
                       .width = (size_t)layer.pool_size[1]},
            .strides = {(size_t)layer.strides[0], (size_t)layer.strides[1]},
            .dilation = {1, 1},
            .pad = p->pad};
        animation_pool(&a, &odd_parallel, output);
        cr_expect(same_bits(output, p->output.values, p->out.dim[0] * p->out.dim[1]),
                  "%d", i);
        arena_release(&arena);
    }
}

Test(animation, bad_requests_are_told)
{
    static const struct {
        const char *query, *config, *code, *place, *detail;
    } rows[] = {
        {"kernel_size=9", NULL, "option_invalid", "kernel_size",
         "kernel_size 9 is larger than the 7x7 input with padding 'valid'"},
        {"kernel=edge&kernel_size=5", NULL, "option_invalid", "kernel_size",
         "kernel_size is 5x5, but kernel is 3x3"},
        {"kernel=[[1,2],[3]]", NULL, "option_invalid", "kernel",
         "kernel must not be ragged"},
        {"kernel=[[[1]]]", NULL, "option_invalid", "kernel",
         "kernel must be one filter: a 2-D array"},
        {"kernel=[\"edge\"]", NULL, "option_invalid", "kernel",
         "kernel must be one filter: a 2-D array"},
        {"kernel=[[1,", NULL, "option_invalid", "kernel", "kernel: line 1"},
        {"dilation=2&strides=2", NULL, "option_invalid", "dilation",
         "dilation 2x2 cannot go with strides 2x2"},
        {"op=max_pool&kernel=edge", NULL, "option_invalid", "kernel",
         "kernel is for op=conv"},
        {"op=max_pool&kernel_size=9", NULL, "option_invalid", "kernel_size",
         "kernel_size 9 is larger"},
        {"op=max_pool&dilation=7", NULL, "option_invalid", "dilation",
         "the dilated window reaches over 8x8 cells, more than the 7x7 input with "
         "padding 'valid'"},
        {"op=max_pool&dilation=70,1", NULL, "option_invalid", "dilation",
         "the dilated window reaches over 71x2 cells; the limit is 63"},
        {"padding=sane", NULL, "option_invalid", "padding",
         "padding must be valid or same, not 'sane'; did you mean same?"},
        {"dilation=2", TWO, "option_invalid", "dilation",
         "dilation is for a window without layers; here the layer has it"},
        {"kernel=soble", NULL, "option_invalid", "kernel",
         "did you mean bottom_sobel?"},
        {"input_shape=7,7,1&input_size=7", NULL, "option_invalid", "input_shape",
         "input_shape stands beside input_size"},
        {"input_shape=7,7,1&input=circle", NULL, "option_invalid", "input_shape",
         "input_shape is for a window without an image"},
        {"op=sum", NULL, "option_invalid", "op",
         "op must be conv, max_pool or average_pool"},
        {"layer=x", NULL, "option_invalid", "layer",
         "layer names a layer, but no layers are given"},
        {"channel=1", NULL, "option_invalid", "channel",
         "there is no channel 1 in the 1 channels of the output"},
        {"max_frames=1", NULL, "option_invalid", "max_frames",
         "max_frames must be an integer from 2 to 1000"},
        {"fps=51", NULL, "option_invalid", "fps",
         "fps must be a number from 0.1 to 50"},
        {"gamma=2", NULL, "option_unknown", "gamma", "gamma is not an option"},
        {"input_size=512&kernel_size=63&padding=same&input=circle", NULL,
         "option_invalid", "input_size", "input_size is for a window without an image"},
        {"resize=5", NULL, "option_invalid", "resize",
         "resize is for an image, and there is none"},
        {"preset=edges&kernel=edge", NULL, "option_invalid", "kernel",
         "kernel is for a window without layers; here the layer has it"},
        {"preset=edges", TWO, "option_invalid", "preset",
         "preset stands beside layers: one of them is too many"},
        {"input=circle&size=2000&kernel_size=3", NULL, "plan_too_large", "resize",
         "a window over 2000x2000 cells is too large to be shown; 674x674 of them"},
        {"input_shape=20000,3,1", NULL, "plan_too_large", NULL,
         "the window makes a map of 19998x1x1; the limit is 12000"},
        {"input_shape=2000,2000,1", NULL, "plan_too_large", "input_shape",
         "a window over 2000x2000 cells is too large to be shown; 674x674 of them"},
        {"",
         "{\"input_shape\":[2000,2000,1],\"layers\":[{\"type\":\"max_pooling2d\"}]}",
         "plan_too_large", "input_shape", "a window over 2000x2000 cells"},
        {"mean=1&size=3", NULL, "option_invalid", "size",
         "size is for a generated input"},
        {"mean=1", NULL, "option_invalid", "mean",
         "mean is for an image, and there is none"},
        {"input=circle&x=1", NULL, "option_invalid", "x", "x is for input=two_dots"},
        {"pool_size=2", NULL, "option_unknown", "pool_size",
         "pool_size is not an option; did you mean kernel_size?"},
        {"stride=2", NULL, "option_unknown", "stride", "did you mean strides?"},
        {"preset=vgg16&layer=block1_conv11", NULL, "option_invalid", "layer",
         "there is no layer block1_conv11; did you mean block1_conv1?"},
        {"layer=e", TWO, "option_invalid", "layer", "there is no layer e"},
        {"layer=flatten", TWO, "option_invalid", "layer", "flatten is a Flatten; only"},
        {"layer=b&channel=8", TWO, "option_invalid", "channel",
         "there is no channel 8 in the 8 channels of b"},
        {"kernel=edge", TWO, "option_invalid", "kernel",
         "kernel is for a window without layers; here the layer has it"},
        {"op=conv", TWO, "option_invalid", "op", "op is for a window without layers"},
        {"", "[{\"type\":\"flatten\"}]", "option_invalid", "layer",
         "there is no convolution or pool to show"},
        {"", "[{\"type\":\"conv2d\",\"filters\":1,\"kernel_size\":8}]",
         "config_invalid", "/0/kernel_size",
         "kernel_size 8 is larger than the 7x7 input"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply =
            rows[i].config ? post(rows[i].query, rows[i].config) : get(rows[i].query);
        cr_assert_geq(reply.status, 400, "%s: %d", rows[i].query, reply.status);
        cJSON *json = parse(&reply);
        const cJSON *first = cJSON_GetArrayItem(json_member(json, "errors"), 0);
        const char *place =
            rows[i].place && rows[i].place[0] == '/' ? "pointer" : "parameter";
        cr_expect_str_eq(text_of(json, "code"), rows[i].code, "%s: %s", rows[i].query,
                         text_of(json, "detail"));
        cr_expect(strstr(text_of(json, "detail"), rows[i].detail), "%s: %s",
                  rows[i].query, text_of(json, "detail"));
        if (rows[i].place)
            cr_expect_str_eq(text_of(first, place), rows[i].place, "%s", rows[i].query);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* Whatever the budget, an answer comes: the animation, or that it does not fit. */
Test(animation, the_plan_counts_its_memory)
{
    struct api_settings small;

    cr_assert(api_settings_init(&small, NULL));
    for (double size = 1 << 18; size < 64 << 20; size *= 1.2) {
        small.limits.max_request_memory = size;
        api_session_free(session);
        session = api_session_new(&small, &parallel_serial);
        struct api_reply reply = get("max_frames=2");
        cJSON *json = reply.status == 200 ? NULL : parse(&reply);
        cr_expect(!json || strstr(text_of(json, "detail"), "the request takes up"),
                  "%s", text_of(json, "detail"));
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}
