/*
 * network.c - layers and their plan.
 *
 * Layers that only work on what the one before has just made are grouped with it. The
 * outputs live in one block of memory. One that nobody asked for lives from its group
 * to that of its last reader, and its place is used again after that; planning assigns
 * the places first-fit, in the order of the groups. Inside a group it takes no place at
 * all: it is overwritten in place, or lives in a band of rows of the slot's own.
 */
#include "engine/network.h"

#include <stdint.h>
#include <string.h>

#include "engine/size.h"

static size_t aligned(size_t floats)
{
    return size_whole(floats, ARENA_ALIGN / sizeof(float));
}

/* ---- plan ---- */

static const struct shape *shape_of_input(const struct plan *plan, size_t source)
{
    return source == 0 ? &plan->input : &plan->layers[source - 1].out;
}

/* a + b * c, or the largest size there is. */
static size_t saturating_madd(size_t a, size_t b, size_t c)
{
    return __builtin_mul_overflow(b, c, &b) || __builtin_add_overflow(a, b, &a)
               ? SIZE_MAX
               : a;
}

static void receptive_field(const struct network *network, struct plan *plan)
{
    for (size_t axis = 0; axis < 2; axis++) {
        size_t field = 1, jump = 1; /* cells of the input that one step moves */
        for (size_t i = 0; i < network->n_layers; i++) {
            struct layer_plan *layer = &plan->layers[i];
            field = saturating_madd(field, layer->window[axis] - 1, jump);
            jump = saturating_madd(0, jump, layer->step[axis]);
            layer->receptive_field[axis] = field;
        }
    }
}

static bool check_output(const struct layer *layer, const struct layer_plan *plan,
                         const struct limits *limits, struct error *err)
{
    const struct extent out = shape_extent(&plan->out);
    const size_t longest = out.height > out.width ? out.height : out.width;
    char text[SHAPE_TEXT_SIZE];
    size_t count;

    if (!limit_check(LIMIT(limits, max_dimension), plan->out.rank > 1 ? longest : 0,
                     ERROR_PLAN_TOO_LARGE, err, "%s makes a map of %s", layer->label,
                     shape_print(&plan->out, text)))
        return error_blame(err, layer->pointer, NULL);
    /* What later layers compute of so many fits a size_t: 63^2 taps and 4096 filters.
     */
    if (!shape_count(&plan->out, &count) || count == 0 || count > (size_t)1 << 40) {
        error_set(err, ERROR_PLAN_TOO_LARGE, "%s makes a tensor of %s", layer->label,
                  shape_print(&plan->out, text));
        return error_blame(err, layer->pointer, NULL);
    }
    return true;
}

/* Parts of rows that are worth a hand-over, as equal as they can be, and a number that
 * two or four threads can share. */
static size_t equal_rows(size_t rows, double row_cost)
{
    enum { SHARERS = 4 };
    const size_t grain = layer_grain(rows, row_cost);
    const size_t parts = size_parts(rows, grain);
    const size_t more = parts > 2 ? size_whole(parts, SHARERS) : parts;

    return size_parts(rows, more);
}

/* What infer left open of the part: whole axes, and rows. */
static void set_tile(struct layer_plan *plan)
{
    const struct extent out = shape_extent(&plan->out);
    struct extent *tile = &plan->tile;

    if (tile->height == 0)
        tile->height = equal_rows(out.height, plan->row_cost);
    if (tile->width == 0)
        tile->width = out.width;
    if (tile->channels == 0)
        tile->channels = out.channels;
}

static bool infer_layer(const struct network *network, size_t i,
                        const struct limits *limits, struct plan *plan,
                        struct error *err)
{
    const struct layer *layer = &network->layers[i];
    struct layer_plan *p = &plan->layers[i];
    size_t params = 0;

    p->in = *shape_of_input(plan, layer->inputs[0]);
    p->window[0] = p->window[1] = p->step[0] = p->step[1] = 1;
    if (!layer->kind->infer(layer, p, err) || !check_output(layer, p, limits, err))
        return false;
    set_tile(p);
    for (size_t w = 0; w < LAYER_MAX_WEIGHTS; w++)
        if (p->weight_shape[w].rank)
            params += shape_elements(&p->weight_shape[w]);
    p->params = (double)params;
    p->bytes = (double)shape_elements(&p->out) * sizeof(float);
    return true;
}

/* ---- groups ---- */

/* The number of layers that read this layer's output. */
static size_t count_readers(const struct network *network, size_t i)
{
    size_t n = 0;

    for (size_t k = i + 1; k < network->n_layers; k++)
        for (size_t input = 0; input < network->layers[k].n_inputs; input++)
            n += network->layers[k].inputs[input] == i + 1;
    return n;
}

/* Rows of the first layer's output that make one row of layer i's, in a group. */
static size_t rows_for_one(const struct plan *plan, size_t first, size_t i)
{
    size_t rows = 1;

    for (size_t k = first + 1; k <= i; k++)
        if (plan->layers[k].follows == FOLLOWS_ROWS)
            rows *= plan->layers[k].step[0];
    return rows;
}

/* The first layer makes whole rows, in a number that the windows of all that follow
 * divide and that does not take too long. */
static bool may_follow(const struct network *network, const struct plan *plan,
                       size_t first, size_t i)
{
    const struct layer_plan *head = &plan->layers[first], *p = &plan->layers[i];
    const struct extent out = shape_extent(&head->out);
    const size_t rows = rows_for_one(plan, first, i);

    if (p->follows == FOLLOWS_NOT || network->layers[i].inputs[0] != i ||
        count_readers(network, i - 1) != 1)
        return false;
    if (p->follows == FOLLOWS_CELLS && !network->layers[i].kind->run &&
        !activation_crosses_channels(network->layers[i].activation.id))
        return true;
    return head->tile.width == out.width && head->tile.channels == out.channels &&
           rows <= out.height && /* which keeps the next product from wrapping, too */
           (head->band
                ? head->tile.height % rows == 0 || head->tile.height == out.height
                : (double)rows * head->row_cost <= LAYER_STEPS_MAX);
}

/* How many rows of the first layer are in work at a time: their output and what follows
 * from it stay in the second-level cache. Fewer, in the first-level one, would have the
 * strips of columns begin anew too often. */
static void set_band(struct plan *plan, const struct group *group)
{
    enum { CACHE = 64 << 10, MORE = 128 << 10, ROWS = 8, ROWS_MIN = 4 };
    struct layer_plan *head = &plan->layers[group->first];
    const struct extent out = shape_extent(&head->out);
    const size_t row = out.width * out.channels * sizeof(float);
    const size_t unit = rows_for_one(plan, group->first, group->last);

    if (head->band)
        return;
    if (group->first == group->last) {
        head->band = head->tile.height;
        return;
    }
    size_t rows = MORE / row < ROWS ? MORE / row : ROWS; /* of long rows */
    if (rows < CACHE / row)
        rows = CACHE / row;
    head->band = size_whole(rows < ROWS_MIN ? ROWS_MIN : rows, unit);
    if (head->band > out.height)
        head->band = size_whole(out.height, unit);
    head->tile.height = size_whole(head->tile.height, head->band);
}

static void form_groups(const struct network *network, struct plan *plan)
{
    size_t first = 0;

    for (size_t i = 0; i < network->n_layers; i++) {
        if (i > 0 && may_follow(network, plan, first, i)) {
            plan->groups[plan->n_groups - 1].last = i;
            continue;
        }
        plan->groups[plan->n_groups++] = (struct group){i, i};
        first = i;
    }
    for (size_t g = 0; g < plan->n_groups; g++)
        set_band(plan, &plan->groups[g]);
}

/* Floats of the rows of layer i's output that one band of the group's first makes. */
static size_t band_size(const struct plan *plan, const struct group *group, size_t i)
{
    const struct extent out = shape_extent(&plan->layers[i].out);
    const size_t unit = rows_for_one(plan, group->first, i);
    const size_t rows = size_whole(plan->layers[group->first].band, unit) / unit;

    return aligned((rows < out.height ? rows : out.height) * out.width * out.channels);
}

/* ---- memory ---- */

/* The number of the group in which each layer's output is read last, or made. */
static void find_last_readers(const struct network *network, const struct plan *plan,
                              size_t *last)
{
    for (size_t g = 0; g < plan->n_groups; g++)
        for (size_t i = plan->groups[g].first; i <= plan->groups[g].last; i++) {
            last[i] = g;
            for (size_t k = 0; k < network->layers[i].n_inputs; k++)
                if (network->layers[i].inputs[k] > 0)
                    last[network->layers[i].inputs[k] - 1] = g;
        }
}

struct span {
    size_t offset, size;
    size_t last; /* group after which it is free */
};

/* Spans in use, by offset. */
struct memory {
    struct span *spans;
    size_t n, top; /* one past the highest float ever used */
};

/* The lowest offset where size floats do not overlap a span that is in use from group
 * `now` to group `last`. */
static size_t first_fit(struct memory *memory, size_t size, size_t now, size_t last)
{
    struct span *spans = memory->spans;
    size_t kept = 0, at = 0, offset = 0;

    for (size_t k = 0; k < memory->n; k++)
        if (spans[k].last >= now)
            spans[kept++] = spans[k];
    while (at < kept && spans[at].offset < offset + size) {
        offset = spans[at].offset + spans[at].size;
        at++;
    }
    memmove(spans + at + 1, spans + at, (kept - at) * sizeof *spans);
    spans[at] = (struct span){offset, size, last};
    memory->n = kept + 1;
    if (offset + size > memory->top)
        memory->top = offset + size;
    return offset;
}

/* The places of one group's outputs, last layer first, as one may lie in the next's. */
static void place_group(const struct stage_request *wanted, struct plan *plan, size_t g,
                        const size_t *last, struct memory *memory)
{
    const struct group *group = &plan->groups[g];
    size_t scratch = 0, bands = 0;

    for (size_t i = group->last + 1; i-- > group->first;) {
        const size_t size = aligned(shape_elements(&plan->layers[i].out));

        if (wanted[i].pre)
            plan->pre_offsets[i] = first_fit(memory, size, g, SIZE_MAX);
        if (aligned(plan->layers[i].scratch) > scratch)
            scratch = aligned(plan->layers[i].scratch);
        if (wanted[i].output || i == group->last) {
            const size_t until = wanted[i].output ? SIZE_MAX : last[i];
            plan->places[i].offset = first_fit(memory, size, g, until);
        } else if (plan->layers[i + 1].follows == FOLLOWS_CELLS) {
            plan->places[i] = plan->places[i + 1];
        } else {
            plan->places[i] = (struct place){.band = true, .offset = bands};
            bands += band_size(plan, group, i);
        }
    }
    if (plan->layers[group->first].shared)
        plan->shared_offsets[g] =
            first_fit(memory, aligned(plan->layers[group->first].shared), g, g);
    for (size_t i = group->first; i <= group->last; i++)
        if (plan->places[i].band)
            plan->places[i].offset += scratch;
    if (scratch + bands > plan->scratch)
        plan->scratch = scratch + bands;
}

static bool lay_out(const struct network *network, const struct stage_request *wanted,
                    struct arena *arena, struct plan *plan)
{
    const size_t n = network->n_layers;
    size_t *last = arena_take(arena, n, sizeof *last);
    struct memory memory = {arena_take(arena, 3 * n + 1, sizeof *memory.spans), 0, 0};

    plan->groups = arena_alloc(arena, n, sizeof *plan->groups);
    plan->places = arena_alloc(arena, n, sizeof *plan->places);
    plan->pre_offsets = arena_alloc(arena, n, sizeof *plan->pre_offsets);
    plan->shared_offsets = arena_alloc(arena, n, sizeof *plan->shared_offsets);
    if (!last || !memory.spans || !plan->groups || !plan->places ||
        !plan->pre_offsets || !plan->shared_offsets)
        return false;

    form_groups(network, plan);
    find_last_readers(network, plan, last);
    for (size_t g = 0; g < plan->n_groups; g++)
        place_group(wanted, plan, g, last, &memory);
    plan->block = memory.top;
    return true;
}

/* Of all layers the one that takes the most multiply-adds is at fault. */
static bool blame_heaviest(const struct network *network, const struct plan *plan,
                           struct error *err)
{
    size_t heaviest = 0;

    for (size_t i = 1; i < plan->n_layers; i++)
        if (plan->layers[i].macs > plan->layers[heaviest].macs)
            heaviest = i;
    return error_blame(err, network->layers[heaviest].pointer, NULL);
}

static bool check_totals(const struct network *network, const struct limits *limits,
                         const struct plan *plan, struct error *err)
{
    if (!limit_check(LIMIT(limits, max_macs), plan->macs, ERROR_PLAN_TOO_LARGE, err,
                     "the network takes %.15g multiply-adds", plan->macs))
        return blame_heaviest(network, plan, err);
    return limit_check(LIMIT(limits, max_request_memory), plan->bytes,
                       ERROR_PLAN_TOO_LARGE, err, "the network takes %.15g bytes",
                       plan->bytes);
}

static void add_up(struct plan *plan, size_t width)
{
    for (size_t i = 0; i < plan->n_layers; i++) {
        struct layer_plan *layer = &plan->layers[i];
        plan->params += layer->params;
        plan->macs += layer->macs;
        layer->packed_at = plan->packed;
        plan->packed += aligned(layer->packed);
    }
    plan->bytes = sizeof(float) * ((double)plan->block + (double)plan->packed +
                                   (double)width * (double)plan->scratch) +
                  3.0 * 2 * ARENA_ALIGN;
}

bool network_plan(const struct network *network, const struct shape *input,
                  const struct stage_request *wanted, size_t width,
                  const struct limits *limits, struct arena *arena, struct plan *plan,
                  struct error *err)
{
    *plan = (struct plan){.input = *input, .n_layers = network->n_layers};
    if (!limit_check(LIMIT(limits, max_layers), (double)network->n_layers,
                     ERROR_PLAN_TOO_LARGE, err, "the network has %zu layers",
                     network->n_layers))
        return false;
    plan->layers = arena_alloc(arena, network->n_layers, sizeof *plan->layers);
    if (!plan->layers)
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the plan");

    for (size_t i = 0; i < network->n_layers; i++)
        if (!infer_layer(network, i, limits, plan, err))
            return false;
    receptive_field(network, plan);
    if (!lay_out(network, wanted, arena, plan))
        return error_set(err, ERROR_PLAN_TOO_LARGE, "no memory for the plan");
    add_up(plan, width);
    return check_totals(network, limits, plan, err);
}
