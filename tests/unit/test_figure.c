/*
 * test_figure.c - figures against matplotlib 3.6.3: tests/data/figures holds its
 * pictures of the lesson, and layouts.json where it put the panels of other figures.
 */
#include "tests/unit/api_harness.h"

#include "api/figure.h"

/* ---- layout ---- */

static double item(const cJSON *array, int i)
{
    return cJSON_GetArrayItem(array, i)->valuedouble;
}

static void expect_layout(const cJSON *row)
{
    struct picture pictures[16] = {0};
    struct figure_panel panels[16] = {0};
    struct canvas_box boxes[16];
    const cJSON *figsize = json_member(row, "figsize");
    const cJSON *shape = json_member(row, "subplot_shape");
    const cJSON *sizes = json_member(row, "panels"), *expected;
    const double dpi = number_of(row, "dpi");
    const struct figure figure = {
        .figsize = {item(figsize, 0), item(figsize, 1)},
        .dpi = dpi,
        .rows = (size_t)item(shape, 0),
        .columns = (size_t)item(shape, 1),
        .n = (size_t)cJSON_GetArraySize(sizes),
        .panels = panels,
    };
    const struct figure_text text = {
        .title = {true, 18 * dpi / 72},
        .title_pad = 10 * dpi / 72,
        .ascent = number_of(row, "ascent"),
    };

    for (int i = 0; i < (int)figure.n; i++) {
        const cJSON *size = cJSON_GetArrayItem(sizes, i);
        pictures[i].height = (size_t)item(size, 0);
        pictures[i].width = (size_t)item(size, 1);
        panels[i] = (struct figure_panel){.picture = &pictures[i], .title = "Input"};
    }
    figure_layout(&figure, &text, boxes);
    for (int i = 0; i < (int)figure.n; i++) {
        const struct canvas_box *b = &boxes[i];
        expected = cJSON_GetArrayItem(json_member(row, "boxes"), i);
        cr_expect(fabs(b->x - item(expected, 0)) < 1e-3 &&
                      fabs(b->y - item(expected, 1)) < 1e-3 &&
                      fabs(b->width - item(expected, 2)) < 1e-3 &&
                      fabs(b->height - item(expected, 3)) < 1e-3,
                  "panel %d of %gx%g: %g %g %g %g", i, figure.figsize[0],
                  figure.figsize[1], b->x, b->y, b->width, b->height);
    }
}

Test(figure, panels_lie_where_matplotlib_puts_them)
{
    const struct bytes file = read_file("tests/data/figures/layouts.json");
    cJSON *rows = cJSON_ParseWithLength((const char *)file.data, file.size), *row;

    cr_assert_geq(cJSON_GetArraySize(rows), 10);
    cJSON_ArrayForEach(row, rows) expect_layout(row);
    cJSON_Delete(rows);
    free_file(file);
}

/* ---- the lesson's figures ---- */

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

TestSuite(figure, .init = set_up, .fini = tear_down);

static struct api_reply get(const char *query)
{
    static char all[8192];
    const struct ask ask = {.method = "GET", .path = "/v1/extract", .query = all};

    snprintf(all, sizeof all, "input=circle&size=64&r_shrink=3&val=1&%s", query);
    return answer(session, &ask);
}

#define LESSON "format=figure&figsize=14,6&subplot_shape=1,4"

/* The pictures are the same to the last bit; the titles are drawn by another library:
 * the same words at the same place, so that they cover each other for the most part. */
static void expect_like(const char *query, const char *path)
{
    const struct bytes file = read_file(path);
    struct api_reply reply = get(query);
    size_t w, h, w2, h2, differ = 0, dark = 0, off = 0;
    unsigned char *theirs = second_opinion(file.data, file.size, &w, &h);
    unsigned char *ours = second_opinion(reply.body, reply.body_size, &w2, &h2);

    cr_assert(w == w2 && h == h2);
    for (size_t i = 0; i < w * h; i++) {
        const size_t y = i / w;
        const bool title = y >= 100 && y < 125;
        if (title)
            dark += theirs[4 * i]<128, off += abs(theirs[4 * i] - ours[4 * i])> 128;
        else
            differ += memcmp(theirs + 4 * i, ours + 4 * i, 4) != 0;
    }
    cr_expect_eq(differ, 0, "%s: %zu pixels differ", path, differ);
    cr_expect_gt(dark, 1000);
    cr_expect_lt(off, dark / 4, "%s: %zu of %zu title pixels are off", path, off, dark);
    free(ours);
    free(theirs);
    free_file(file);
    api_reply_release(&reply);
}

Test(figure, the_lessons_figures_are_the_notebooks)
{
    expect_like(LESSON, "tests/data/figures/extraction_s1.png");
    expect_like(LESSON "&conv_stride=3", "tests/data/figures/extraction_s3.png");
    expect_like(LESSON "&gamma=0.5", "tests/data/figures/extraction_s1_gamma0.5.png");
}

/* ---- kinds, sizes, determinism ---- */

static size_t count_text(const struct api_reply *reply, const char *text)
{
    const char *bytes = reply->body;
    const size_t size = strlen(text);
    size_t n = 0;

    for (size_t i = 0; i + size <= reply->body_size; i++)
        n += memcmp(bytes + i, text, size) == 0;
    return n;
}

Test(figure, kinds_have_their_types_and_the_same_bytes_twice)
{
    static const struct {
        const char *query, *accept, *type, *file, *start;
    } rows[] = {
        {"format=figure", NULL, "image/png", "figure.png", "\x89PNG"},
        {"format=svg", "image/png", "image/svg+xml", "figure.svg", "<?xml"},
        {"format=pdf", NULL, "application/pdf", "figure.pdf", "%PDF-1"},
        {"", "image/svg+xml", "image/svg+xml", "figure.svg", "<?xml"},
        {"", "application/pdf, */*;q=0.5", "application/pdf", "figure.pdf", "%PDF-1"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct ask ask = {.method = "GET",
                                .path = "/v1/extract",
                                .query = rows[i].query[0] ? rows[i].query : "gap=1",
                                .accept = rows[i].accept};
        char query[64];
        struct ask full = ask;
        snprintf(query, sizeof query, "input=circle&val=1&%s", ask.query);
        full.query = query;
        struct api_reply a = answer(session, &full), b = answer(session, &full);
        cr_assert_eq(a.status, 200);
        cr_expect_str_eq(a.content_type, rows[i].type);
        cr_expect(strstr(header(&a, "Content-Disposition"), rows[i].file));
        cr_expect_eq(memcmp(a.body, rows[i].start, strlen(rows[i].start)), 0);
        cr_expect(same_body(&a, &b), "row %zu", i);
        api_reply_release(&a);
        api_reply_release(&b);
    }
}

Test(figure, size_is_figsize_times_dpi)
{
    static const struct {
        const char *query;
        size_t width, height;
    } rows[] = {
        {"format=figure", 1000, 1000},
        {"format=figure&figsize=3,2", 300, 200},
        {"format=figure&figsize=3,2&dpi=33.3", 99, 66},
        {"format=figure&figsize=10.1,0.1&dpi=10", 101, 1},
        {"format=figure&figsize=0.1,0.1&dpi=1", 1, 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].query);
        size_t w, h;
        cr_assert_eq(reply.status, 200, "%s", rows[i].query);
        free(second_opinion(reply.body, reply.body_size, &w, &h));
        cr_expect(w == rows[i].width && h == rows[i].height, "%s: %zux%zu",
                  rows[i].query, w, h);
        api_reply_release(&reply);
    }
}

/* One image for each panel, one outline for each line of text. */
Test(figure, svg_holds_what_was_asked_for)
{
    static const struct {
        const char *query;
        size_t images, texts;
    } rows[] = {
        {"format=svg", 4, 4},
        {"format=svg&titles=false", 4, 0},
        {"format=svg&titles=true&shapes=true", 4, 8},
        {"format=svg&titles=false&shapes=true", 4, 0},
        {"format=svg&colorbar=true", 8, 12},
        {"format=svg&ops=Filter&titles=Kanten", 1, 1},
        {"format=svg&figsize=1,1&subplot_shape=64,64", 4, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].query);
        cr_assert_eq(reply.status, 200, "%s", rows[i].query);
        cr_expect_eq(count_text(&reply, "<image "), rows[i].images, "%s",
                     rows[i].query);
        cr_expect_eq(count_text(&reply, "aria-label="), rows[i].texts, "%s: %zu",
                     rows[i].query, count_text(&reply, "aria-label="));
        api_reply_release(&reply);
    }
}

static struct api_reply post(const char *query, const char *layers)
{
    char body[512];
    const struct ask ask = {.method = "POST",
                            .path = "/v1/extract",
                            .query = query,
                            .type = JSON,
                            .body = body};

    snprintf(body, sizeof body, "{\"input\":\"circle\",\"size\":12,\"layers\":[%s]}",
             layers);
    return answer(session, &ask);
}

/* As show_feature_maps does it: a panel for each map of a layer. */
Test(figure, maps_can_have_panels_of_their_own)
{
    struct api_reply reply =
        post("format=svg&stages=c&layout=separate",
             "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":10,\"kernel_size\":3}");

    cr_assert_eq(reply.status, 200);
    cr_expect_eq(count_text(&reply, "<image "), 10);
    cr_expect_eq(count_text(&reply, "aria-label=\"c 0\""), 1);
    cr_expect_eq(count_text(&reply, "aria-label=\"c 9\""), 1);
    api_reply_release(&reply);
}

/* 1000 cells of 1 x 16 pixels would be a line of 8; a short vector keeps its shape. */
Test(figure, long_vectors_are_strips_that_can_be_seen)
{
    static const struct {
        const char *layer;
        double height; /* of the width */
    } rows[] = {{"{\"type\":\"dense\",\"name\":\"v\",\"units\":1000}", 1.0 / 12},
                {"{\"type\":\"dense\",\"name\":\"v\",\"units\":4}", 1.0 / 4}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        char layers[128];
        double w = 0, h = 0;
        snprintf(layers, sizeof layers, "{\"type\":\"flatten\"},%s", rows[i].layer);
        struct api_reply reply = post("format=svg&stages=v", layers);
        cr_assert_eq(reply.status, 200);
        char *text = calloc(reply.body_size + 1, 1);
        memcpy(text, reply.body, reply.body_size);
        const char *image = strstr(text, "<image ");
        cr_assert(image);
        cr_assert_eq(
            sscanf(strstr(image, " width="), " width=\"%lf\" height=\"%lf\"", &w, &h),
            2);
        cr_expect(w > 100 && fabs(h / w - rows[i].height) < 1e-3, "%g x %g", w, h);
        free(text);
        api_reply_release(&reply);
    }
}

/* Whether the middle row of a figure of one panel is not white. */
static bool shows_strip(const struct api_reply *reply)
{
    size_t w, h, painted = 0;
    unsigned char *rgba = second_opinion(reply->body, reply->body_size, &w, &h);

    for (size_t x = 0; x < w; x++)
        painted += rgba[4 * (h / 2 * w + x)] < 255;
    free(rgba);
    return painted > w / 2;
}

/* Flattened, a map of 181 x 181 is a row almost as long as cairo's surfaces can be, one
 * of 192 x 192 is longer. */
Test(figure, vectors_of_any_length_are_drawn)
{
    static const char *const formats[] = {"figure", "svg", "pdf"};
    static const int sides[] = {120, 128, 181, 182, 192, 300};
    char query[80];

    for (size_t i = 0; i < COUNT(sides) * COUNT(formats); i++) {
        const char *format = formats[i % COUNT(formats)];
        snprintf(query, sizeof query, "resize=%d&titles=false&stages=v&format=%s",
                 sides[i / COUNT(formats)], format);
        struct api_reply reply = post(query, "{\"type\":\"flatten\",\"name\":\"v\"}");
        cr_assert_eq(reply.status, 200, "%s", reply.body);
        cr_expect(strcmp(format, "figure") != 0 || shows_strip(&reply), "%s", query);
        api_reply_release(&reply);
    }
}

/* The widths of the panels of a figure with colour bars: every second image. */
static double narrowest_panel(const struct api_reply *reply)
{
    char *text = calloc(reply->body_size + 1, 1);
    double narrowest = INFINITY, width;
    size_t n = 0;

    memcpy(text, reply->body, reply->body_size);
    for (const char *at = text; (at = strstr(at, "<image ")); at++, n++) {
        cr_assert_eq(sscanf(strstr(at, " width="), " width=\"%lf\"", &width), 1);
        if (n % 2 == 0)
            narrowest = fmin(narrowest, width);
    }
    free(text);
    return narrowest;
}

#define CONV "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":64,\"kernel_size\":3}"
#define DENSE(n)                                                                       \
    "{\"type\":\"flatten\"},{\"type\":\"dense\",\"name\":\"d\",\"units\":" n "}"

/* Both numbers of each bar are drawn, beside a panel that has most of its column. */
Test(figure, colour_bars_leave_their_panels_room)
{
    static const struct {
        const char *query, *layers;
        size_t panels, labels; /* without room for labels there are none */
        double column, share;
    } rows[] = {
        {"stages=c&layout=separate&subplot_shape=8,8&figsize=12,12", CONV, 64, 128, 150,
         0.6},
        {"stages=c&layout=separate&subplot_shape=8,8&figsize=5,5", CONV, 64, 0, 62.5,
         0.6},
        {"stages=c&channel=0&figsize=3,3", CONV, 1, 2, 300, 0.6},
        {"stages=d&figsize=4,4", DENSE("4"), 1, 2, 400, 0.7},
        {"stages=d&figsize=4,4", DENSE("1000"), 1, 2, 400, 0.7},
        {"subplot_shape=1,4&figsize=4,2&shapes=1", NULL, 4, 8, 100, 0.6},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char query[256];
        snprintf(query, sizeof query, "format=svg&colorbar=1&titles=0&%s",
                 rows[i].query);
        struct api_reply reply =
            rows[i].layers ? post(query, rows[i].layers) : get(query);
        cr_assert_eq(reply.status, 200, "%s", rows[i].query);
        cr_expect_eq(count_text(&reply, "<image "), 2 * rows[i].panels);
        cr_expect_eq(count_text(&reply, "aria-label="), rows[i].labels, "%s: %zu",
                     rows[i].query, count_text(&reply, "aria-label="));
        const double width = narrowest_panel(&reply);
        cr_expect_geq(width, rows[i].share * rows[i].column, "%s: %g", rows[i].query,
                      width);
        api_reply_release(&reply);
    }
}

Test(figure, titles_are_cut_before_their_numbers)
{
    static const char layer[] =
        "{\"type\":\"conv2d\",\"name\":\"a_layer_with_a_long_name"
        "\",\"filters\":64,\"kernel_size\":3}";
    struct api_reply reply =
        post("format=svg&stages=a_layer_with_a_long_name&layout=separate&figsize=5,5",
             layer);

    cr_assert_eq(reply.status, 200);
    for (int i = 0; i < 64; i++) {
        char end[32];
        snprintf(end, sizeof end, "\xe2\x80\xa6 %d\"", i);
        cr_expect_eq(count_text(&reply, end), 1, "%d", i);
    }
    api_reply_release(&reply);
}

Test(figure, thousands_of_panels_are_drawn)
{
    struct api_reply reply =
        post("format=figure&stages=c&layout=separate&images=none",
             "{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":4096,\"kernel_size\":3}");
    size_t w, h;

    cr_assert_eq(reply.status, 200);
    free(second_opinion(reply.body, reply.body_size, &w, &h));
    cr_expect(w == 1000 && h == 1000);
    api_reply_release(&reply);
}

/* ---- text from outside ---- */

Test(figure, text_is_cleaned)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"Filter", "Filter"},
        {"", ""},
        {"a\tb\r\nc\x1b[0m\x7f", "abc[0m"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\xc2\xa0"},
        {"Gr\xc3\xb6\xc3\x9f"
         "e \xf0\x9f\x98\x80",
         "Gr\xc3\xb6\xc3\x9f"
         "e \xf0\x9f\x98\x80"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    char out[CANVAS_TEXT_SIZE], longest[1000];

    for (size_t i = 0; i < COUNT(rows); i++) {
        canvas_clean(out, rows[i].text);
        cr_expect_str_eq(out, rows[i].expected, "row %zu", i);
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    canvas_clean(out, longest);
    cr_expect_eq(strlen(out), CANVAS_TEXT_SIZE - 1);
    cr_expect(strstr(out, "x\xe2\x80\xa6"));
}

Test(figure, titles_cannot_break_the_document)
{
    static const char *const titles[] = {
        "%3C/svg%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "%26amp;%22onload=%22x",
        "%01%02",
        "%FF%FE",
        "%E2%80%AE%E2%80%8B",
        "%F0%9F%98%80",
    };
    static const char *const formats[] = {"figure", "svg", "pdf"};

    for (size_t i = 0; i < COUNT(titles); i++)
        for (size_t k = 0; k < COUNT(formats); k++) {
            char query[256];
            snprintf(query, sizeof query, "format=%s&ops=Input&titles=%s", formats[k],
                     titles[i]);
            struct api_reply reply = get(query);
            cr_expect_eq(reply.status, 200, "%s", query);
            cr_expect_eq(count_text(&reply, "<script"), 0);
            cr_expect_eq(count_text(&reply, "\"onload"), 0);
            api_reply_release(&reply);
        }
}

Test(figure, long_titles_end_in_an_ellipsis)
{
    char query[4096] = "format=svg&ops=Input&figsize=2,2&titles=";

    memset(query + strlen(query), 'W', 3000);
    struct api_reply reply = get(query);
    cr_assert_eq(reply.status, 200);
    cr_expect_eq(count_text(&reply, "W\xe2\x80\xa6\""), 1);
    api_reply_release(&reply);
}

/* ---- refusals ---- */

Test(figure, bad_options_are_told)
{
    static const struct {
        const char *query, *code, *parameter, *detail;
    } rows[] = {
        {"format=figure&subplot_shape=1,3", "option_invalid", "subplot_shape",
         "1x3 has room for 3 panels, the figure has 4"},
        {"format=svg&titles=a,b", "option_invalid", "titles",
         "2 titles are given for 4 panels"},
        {"format=svg&titles=,", "option_invalid", "titles",
         "titles must not hold an empty name"},
        {"format=svg&figsize=10", "option_invalid", "figsize",
         "figsize must be two numbers"},
        {"format=svg&figsize=10,1e9", "option_invalid", "figsize",
         "figsize must be a number from 0.1 to 100"},
        {"format=svg&dpi=0", "option_invalid", "dpi",
         "dpi must be a number from 1 to 2400"},
        {"format=svg&dpi=nan", "option_invalid", "dpi", "dpi must be one number"},
        {"format=svg&shapes=yes", "option_invalid", "shapes",
         "shapes must be true or false"},
        {"format=svg&colorbar=2", "option_invalid", "colorbar",
         "colorbar must be true or false"},
        {"format=figure&figsize=100,100&dpi=2400", "plan_too_large", NULL,
         "the figure is 240000x240000 pixels"},
        {"format=figure&figsize=60,60", "plan_too_large", NULL,
         "the figure is 6000x6000 pixels"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].query);
        cr_assert_eq(reply.status, 422, "%s: %d", rows[i].query, reply.status);
        cJSON *json = parse(&reply);
        const cJSON *first = cJSON_GetArrayItem(json_member(json, "errors"), 0);
        cr_expect_str_eq(text_of(json, "code"), rows[i].code, "%s", rows[i].query);
        cr_expect(strstr(text_of(json, "detail"), rows[i].detail), "%s: %s",
                  rows[i].query, text_of(json, "detail"));
        if (rows[i].parameter)
            cr_expect_str_eq(text_of(first, "parameter"), rows[i].parameter);
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

Test(figure, titles_are_a_boolean_or_a_list)
{
    static const struct {
        const char *titles;
        int status;
        const char *detail;
    } rows[] = {
        {"true", 200, NULL},
        {"false", 200, NULL},
        {"[\"a\",\"b, c\",\"d\",\"e\"]", 200, NULL},
        {"\"a,b,c,d\"", 200, NULL},
        {"5", 422, "titles must be true, false or an array of names"},
        {"{}", 422, "titles must be true, false or an array of names"},
        {"[1,2,3,4]", 422, "titles must be an array of names"},
        {"[]", 422, "titles must be an array of names"},
        {"[\"a\",\"b\",\"c\",\"\"]", 422, "titles must not hold an empty name"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"input\":\"circle\",\"titles\":%s}",
                 rows[i].titles);
        const struct ask ask = POST("format=svg", JSON, body);
        struct api_reply reply = answer(session, &ask);
        cr_assert_eq(reply.status, rows[i].status, "%s", rows[i].titles);
        cJSON *json = rows[i].detail ? parse(&reply) : NULL;
        cr_expect(!json || strstr(text_of(json, "detail"), rows[i].detail), "%s",
                  text_of(json, "detail"));
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}

/* A vector figure has no pixels to count. */
Test(figure, large_pages_are_fine_without_pixels)
{
    struct api_reply reply = get("format=svg&figsize=100,100&dpi=2400");

    cr_expect_eq(reply.status, 200);
    cr_expect_lt(reply.body_size, 200000);
    api_reply_release(&reply);
}

/* Whatever the budget, an answer comes: the figure, or that it does not fit. */
Test(figure, the_plan_counts_its_memory)
{
    static const char *const formats[] = {"figure", "svg", "pdf"};
    struct api_settings small;

    cr_assert(api_settings_init(&small, NULL));
    for (size_t k = 0; k < COUNT(formats); k++)
        for (double size = 1 << 18; size < 64 << 20; size *= 1.3) {
            char query[64];
            small.limits.max_request_memory = size;
            api_session_free(session);
            session = api_session_new(&small, &parallel_serial);
            snprintf(query, sizeof query, "format=%s&figsize=9,9", formats[k]);
            struct api_reply reply = get(query);
            cJSON *json = reply.status == 200 ? NULL : parse(&reply);
            cr_expect(!json || strstr(text_of(json, "detail"), "the request takes up"),
                      "%s", text_of(json, "detail"));
            cJSON_Delete(json);
            api_reply_release(&reply);
        }
}
