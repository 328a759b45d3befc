/*
 * test_kernel_picture.c - pictures of kernels against the lesson's own, made by
 * matplotlib 3.6.3; tests/data/figures/kernels.json has more of them, cell by cell, and
 * what Python and numpy make of numbers.
 */
#include "tests/unit/api_harness.h"

#include "api/kernel_picture.h"

static struct api_session *session;
static cJSON *expected;

static void set_up(void)
{
    static struct api_settings settings;
    const struct bytes file = read_file("tests/data/figures/kernels.json");

    expected = cJSON_ParseWithLength((const char *)file.data, file.size);
    free_file(file);
    cr_assert(expected);
    cr_assert(api_settings_init(&settings, NULL));
    session = api_session_new(&settings, &parallel_serial);
    cr_assert(session);
}

static void tear_down(void)
{
    cJSON_Delete(expected);
    api_session_free(session);
}

TestSuite(kernel_picture, .init = set_up, .fini = tear_down);

/* ---- numbers ---- */

Test(kernel_picture, numbers_look_as_python_prints_them)
{
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach(item, json_member(expected, "numbers"))
    {
        char text[KERNEL_NUMBER_SIZE];
        kernel_picture_number(strtod(item->valuestring, NULL), false, text);
        cr_expect_str_eq(text, item->valuestring);
        n++;
    }
    cr_assert_gt(n, 50);
}

Test(kernel_picture, numbers_are_rounded_as_numpy_does)
{
    const cJSON *row;
    size_t n = 0;

    cJSON_ArrayForEach(row, json_member(expected, "rounded"))
    {
        const double *x = (double[]){cJSON_GetArrayItem(row, 0)->valuedouble,
                                     cJSON_GetArrayItem(row, 1)->valuedouble,
                                     cJSON_GetArrayItem(row, 2)->valuedouble};
        cr_expect_eq(kernel_picture_round(x[0], (int)x[1]), x[2], "%.17g to %g", x[0],
                     x[1]);
        n++;
    }
    cr_assert_gt(n, 50);
}

/* ---- pictures ---- */

static struct api_reply get(const char *path, const char *query)
{
    const struct ask ask = {.method = "GET", .path = path, .query = query};

    return answer(session, &ask);
}

struct seen {
    size_t width, height;
    unsigned char *rgba;
};

static struct seen look(struct api_reply *reply)
{
    struct seen seen;

    cr_assert_eq(reply->status, 200, "%.*s", (int)reply->body_size,
                 (char *)reply->body);
    cr_assert_str_eq(reply->content_type, "image/png");
    seen.rgba =
        second_opinion(reply->body, reply->body_size, &seen.width, &seen.height);
    api_reply_release(reply);
    return seen;
}

/* A corner of the black frame: its pixel that is nearest to 0,0 or to the opposite. */
static void find_frame(const struct seen *seen, size_t corner[2][2])
{
    corner[0][0] = corner[0][1] = SIZE_MAX;
    corner[1][0] = corner[1][1] = 0;
    for (size_t i = 0; i < seen->width * seen->height; i++) {
        const unsigned char *p = seen->rgba + 4 * i;
        const size_t x = i % seen->width, y = i / seen->width;
        if (p[0] | p[1] | p[2])
            continue;
        for (size_t k = 0; k < 2; k++) {
            const size_t at = k ? x : y;
            corner[0][k] = at < corner[0][k] ? at : corner[0][k];
            corner[1][k] = at > corner[1][k] ? at : corner[1][k];
        }
    }
}

static void expect_cells(const struct seen *seen, const cJSON *row)
{
    const cJSON *colors = json_member(row, "colors");
    const int h = cJSON_GetArraySize(colors), w = cJSON_GetArraySize(colors->child);
    size_t corner[2][2];

    find_frame(seen, corner);
    for (int i = 0; i < h * w; i++) {
        const cJSON *rgb = cJSON_GetArrayItem(cJSON_GetArrayItem(colors, i / w), i % w);
        const double dy = (double)(corner[1][0] - corner[0][0]) / h;
        const double dx = (double)(corner[1][1] - corner[0][1]) / w;
        const size_t y = (size_t)((double)corner[0][0] + (i / w + 0.5) * dy);
        const size_t x = (size_t)((double)corner[0][1] + (i % w + 0.5) * dx);
        const unsigned char *p = seen->rgba + 4 * (y * seen->width + x);
        for (int k = 0; k < 3; k++)
            cr_expect_eq(p[k], cJSON_GetArrayItem(rgb, k)->valueint, "%s: cell %d",
                         text_of(row, "kernel"), i);
    }
}

Test(kernel_picture, cells_have_matplotlibs_colours)
{
    const cJSON *row;
    size_t n = 0;

    cJSON_ArrayForEach(row, json_member(expected, "kernels"))
    {
        const cJSON *digits = json_member(row, "digits");
        char query[2048], option[32] = "";
        if (cJSON_IsNumber(digits))
            snprintf(option, sizeof option, "&digits=%d", digits->valueint);
        snprintf(query, sizeof query, "label=false&colormap=%s%s&kernel=%s",
                 text_of(row, "colormap"), option, text_of(row, "kernel"));
        struct api_reply reply = get("/v1/kernel.png", query);
        struct seen seen = look(&reply);
        cr_assert(seen.width == 640 && seen.height == 480);
        expect_cells(&seen, row);
        free(seen.rgba);
        n++;
    }
    cr_assert_geq(n, 20);
}

/* Outside the numbers hardly a shade differs; they themselves are drawn by another
 * library, and mostly cover each other. */
static void expect_like(const char *path, const char *query, const char *reference)
{
    const struct bytes file = read_file(reference);
    struct api_reply reply = get(path, query);
    struct seen ours = look(&reply), theirs;
    size_t off = 0, different = 0;

    theirs.rgba = second_opinion(file.data, file.size, &theirs.width, &theirs.height);
    cr_assert(ours.width == theirs.width && ours.height == theirs.height);
    for (size_t i = 0; i < 4 * ours.width * ours.height; i += 4) {
        const int d = abs(ours.rgba[i] - theirs.rgba[i]);
        different += d > 3;
        off += d > 100;
    }
    cr_expect_lt(different, 3500, "%s: %zu", reference, different);
    cr_expect_lt(off, 900, "%s: %zu", reference, off);
    free(ours.rgba);
    free(theirs.rgba);
    free_file(file);
}

Test(kernel_picture, the_lessons_pictures)
{
    expect_like("/v1/kernels/bottom_sobel.png", "",
                "tests/data/figures/show_kernel.png");
    expect_like("/v1/kernel.png", "kernel=[[-1,-2,-1],[0,0,0],[1,2,1]]",
                "tests/data/figures/show_kernel.png");
    expect_like("/v1/kernel.png",
                "kernel=[[0.123,-0.5,0.333],[2.25,0.001,-1.75]]&digits=2",
                "tests/data/figures/show_kernel_2x3_digits2.png");
}

/* How many pixels two pictures do not share. */
static size_t difference(const char *a, const char *b)
{
    struct api_reply first = get("/v1/kernel.png", a);
    struct api_reply second = get("/v1/kernel.png", b);
    struct seen x = look(&first), y = look(&second);
    size_t n = 0;

    cr_assert(x.width == y.width && x.height == y.height);
    for (size_t i = 0; i < x.width * x.height; i++)
        n += memcmp(x.rgba + 4 * i, y.rgba + 4 * i, 4) != 0;
    free(x.rgba);
    free(y.rgba);
    return n;
}

Test(kernel_picture, options_show)
{
    cr_expect_eq(difference("", "kernel=bottom_sobel&label=true&text_size=28"), 0);
    cr_expect_eq(difference("kernel=edge", "kernel=edge&digits=3"), 0);
    cr_expect_gt(difference("", "label=false"), 2000);
    cr_expect_gt(difference("", "text_size=12"), 1000);
    cr_expect_gt(difference("", "colormap=magma"), 100000);
    cr_expect_gt(difference("kernel=[[1,2]]", "kernel=[[1.0,2]]"), 300);
    cr_expect_gt(difference("kernel=[[0.26,2]]", "kernel=[[0.26,2]]&digits=1"), 100);
}

Test(kernel_picture, any_size_is_drawn)
{
    static char query[64 * 63 * 4];
    char *to = query + sprintf(query, "figsize=3,2&dpi=50&kernel=[");

    for (int y = 0; y < 63; y++) {
        to += sprintf(to, y ? ",[" : "[");
        for (int x = 0; x < 63; x++)
            to += sprintf(to, x ? ",%d" : "%d", (x * y) % 7);
        to += sprintf(to, "]");
    }
    sprintf(to, "]");
    struct api_reply reply = get("/v1/kernel.png", query);
    struct seen seen = look(&reply);
    cr_expect(seen.width == 150 && seen.height == 100);
    free(seen.rgba);
}

Test(kernel_picture, bad_requests_are_told)
{
    static const struct {
        const char *path, *query;
        int status;
        const char *detail;
    } rows[] = {
        {"/v1/kernels/edg.png", "", 404,
         "there is no kernel of that name; did you mean edge?"},
        {"/v1/kernels/.png", "", 404, "there is no kernel of that name"},
        {"/v1/kernels/edge.png", "kernel=blur", 400, "kernel is not an option"},
        {"/v1/kernel.png", "kernel=blurr", 422,
         "kernel must be a name of the catalogue or a 2-D array, not 'blurr'; did you "
         "mean blur?"},
        {"/v1/kernel.png", "kernel=[[1,2],[3]]", 422, "kernel must not be ragged"},
        {"/v1/kernel.png", "kernel=[[[1]]]", 422,
         "kernel must be one filter: a 2-D array"},
        {"/v1/kernel.png", "kernel=[[[[1]]]]", 422,
         "kernel must be one filter: a 2-D array"},
        {"/v1/kernels/soble.png", "", 404, "did you mean bottom_sobel?"},
        {"/v1/kernel.png", "kernel=[\"edge\"]", 422,
         "kernel must be a name of the catalogue or a 2-D array"},
        {"/v1/kernel.png", "kernel=[1,2]", 422,
         "kernel must be a name of the catalogue or a 2-D array"},
        {"/v1/kernel.png", "kernel=[[1,", 422, "kernel"},
        {"/v1/kernel.png", "kernel=[[1e999]]", 422, "kernel"},
        {"/v1/kernel.png", "kernel=[]", 422, "kernel must"},
        {"/v1/kernel.png", "kernel=", 422, "kernel must be a string that is not empty"},
        {"/v1/kernel.png", "digits=99", 422,
         "digits must be an integer from -15 to 15"},
        {"/v1/kernel.png", "text_size=0", 422, "text_size must be a number from 1 to"},
        {"/v1/kernel.png", "label=maybe", 422, "label must be true or false"},
        {"/v1/kernel.png", "colormap=Blues", 422, "colormap must be magma"},
        {"/v1/kernel.png", "scale=2", 400, "scale is not an option"},
        {"/v1/kernel.png", "lable=true", 400,
         "lable is not an option; did you mean label?"},
        {"/v1/kernel.png", "figsize=99,99", 422, "the figure is 9900x9900 pixels"},
        {"/v1/extract", "input=circle&label=true", 400, "label is not an option"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct api_reply reply = get(rows[i].path, rows[i].query);
        cr_assert_eq(reply.status, rows[i].status, "%s: %d", rows[i].query,
                     reply.status);
        cJSON *json = parse(&reply);
        cr_expect(strstr(text_of(json, "detail"), rows[i].detail), "%s: %s",
                  rows[i].query, text_of(json, "detail"));
        cJSON_Delete(json);
        api_reply_release(&reply);
    }
}
