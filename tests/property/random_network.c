/* random_network.c - random networks as JSON documents, and what they mean. */
#include "tests/property/random_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/generate.h"
#include "tests/property/random_layer.h"
#include "tests/property/reference.h"

/* How large a network may be, so that ten thousand run in a minute or two. */
enum { MAX_VALUES = 60000, USUAL_WORK = 3000000, LARGE_WORK = 24000000 };
enum { MAX_LENGTH = 12000 }; /* max_dimension */

/* A network on its way. */
struct maker {
    struct random_network *network;
    uint64_t seed; /* of what comes next */
    bool winograd;
    double work; /* multiply-adds that are left */
    bool exact;  /* Keras' form, not flat */
    enum keras keras;
    cJSON *list; /* of layers */
    const char *list_pointer;
};

/* ---- the input ---- */

static int draw_length(struct maker *m)
{
    static const int edges[] = {1,  1,  2,  3,  5,  7,  8,  9,  15, 16,
                                17, 31, 32, 33, 47, 48, 49, 63, 64, 65};

    if (m->winograd)
        return random_between(&m->seed, 1, 40);
    return random_chance(&m->seed, 0.5)
               ? edges[random_between(&m->seed, 0, sizeof edges / sizeof *edges - 1)]
               : random_between(&m->seed, 1, random_chance(&m->seed, 0.1) ? 150 : 40);
}

static void draw_shape(struct maker *m)
{
    struct shape *shape = &m->network->input;

    do {
        int channels = random_channels(&m->seed, 70);
        while (m->winograd && channels < 16)
            channels = random_channels(&m->seed, 70);
        *shape =
            SHAPE((size_t)draw_length(m), (size_t)draw_length(m), (size_t)channels);
    } while (shape_elements(shape) > MAX_VALUES);
}

/* What a hostile input is sprinkled with: either numbers at the ends of float32's
 * range, or what is no number. Both at once would make the order of a sum matter. */
static float extreme(struct maker *m, bool finite)
{
    static const float ends[] = {1e30f, -1e30f, 1e-40f, -1e-38f, -0.0f, 1e15f};
    static const float others[] = {INFINITY, -INFINITY, NAN, -NAN, 0.0f, -0.0f};

    return (finite ? ends : others)[random_between(&m->seed, 0, 5)];
}

static void draw_values(struct maker *m)
{
    struct random_network *network = m->network;
    const size_t n = shape_elements(&network->input);
    const double scale =
        random_chance(&m->seed, 0.7) ? 2 : pow(10, 8 * generate_uniform(&m->seed) - 4);
    const double center = random_chance(&m->seed, 0.7) ? 0.5 : 0;
    const bool whole = random_chance(&m->seed, 0.1);
    const bool finite = random_chance(&m->seed, 0.5);

    network->values = malloc(n * sizeof *network->values);
    network->hostile = random_chance(&m->seed, 0.12);
    for (size_t i = 0; i < n; i++) {
        const double value = (generate_uniform(&m->seed) - center) * scale;
        network->values[i] = (float)(whole ? floor(value * 4) : value);
    }
    for (size_t i = 0; network->hostile && i < 1 + n / 50; i++)
        network->values[random_between(&m->seed, 0, (int)n - 1)] = extreme(m, finite);
}

/* ---- layers ---- */

static const struct layer_kind *draw_kind(struct maker *m)
{
    int total = 0, weight = 0;
    size_t i = 0;

    if (m->winograd && random_chance(&m->seed, 0.6))
        return layer_kind_find("Conv2D", true);
    while (random_layer_kind(i++, &weight))
        total += weight;
    int at = random_between(&m->seed, 0, total - 1);
    for (i = 0;; i++) {
        const char *name = random_layer_kind(i, &weight);
        if (at < weight)
            return layer_kind_find(name, true);
        at -= weight;
    }
}

/* Multiply-adds of a layer, roughly. */
static double work_of(const struct layer *layer, const struct shape *in,
                      const struct shape *out)
{
    struct reference_weight weight;
    double work = (double)shape_elements(out);

    for (size_t w = 0; reference_weight(layer, in, w, &weight); w++)
        if (weight.name && weight.shape.rank == 4)
            work += (double)shape_elements(&weight.shape) * (double)out->dim[0] *
                    (double)out->dim[1];
    if (layer->units)
        work *= (double)in->dim[in->rank - 1];
    if (layer->pool_size[0])
        work *= (double)layer->pool_size[0] * layer->pool_size[1];
    return work;
}

static bool too_large(const struct maker *m, const struct shape *out, double work)
{
    const struct extent extent = shape_extent(out);

    return work > m->work || shape_elements(out) > MAX_VALUES ||
           (out->rank > 1 && (extent.height > MAX_LENGTH || extent.width > MAX_LENGTH));
}

/* "conv2d" or "Conv2D": a flat layer may be written in both ways. */
static void put_class(struct maker *m, cJSON *object, const struct layer_kind *kind)
{
    char name[64];
    size_t n = 0;

    if (m->exact) {
        cJSON_AddStringToObject(object, "class_name", kind->class_name);
        return;
    }
    for (const char *c = kind->class_name; *c; c++)
        name[n++] = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    name[n] = '\0';
    cJSON_AddStringToObject(object, "type",
                            random_chance(&m->seed, 0.5) ? name : kind->class_name);
}

/* Where faults of layer i stand. */
static void point_at(struct maker *m, size_t i, const char *key)
{
    struct random_network *network = m->network;

    network->invalid = true;
    snprintf(network->pointer, sizeof network->pointer, "%s/%zu%s%s%s", m->list_pointer,
             i, m->exact ? "/config" : "", *key ? "/" : "", key);
}

/* Add the layer that was drawn to the document. */
static void put_layer(struct maker *m, const struct layer_kind *kind, cJSON *params)
{
    cJSON *object = m->exact ? cJSON_CreateObject() : params;

    put_class(m, object, kind);
    if (m->exact) {
        if (m->keras == KERAS_3)
            cJSON_AddStringToObject(object, "module", "keras.layers");
        cJSON_AddItemToObject(object, "config", params);
    }
    if (random_chance(&m->seed, 0.1)) {
        char name[32];
        snprintf(name, sizeof name, "block/%d", cJSON_GetArraySize(m->list));
        cJSON_AddStringToObject(params, "name", name);
    }
    cJSON_AddItemToArray(m->list, object);
}

/* Draw a layer for this input. False if it would be too large: nothing is kept. One
 * that does not suit its input is kept now and then, and ends the network. */
static bool draw_layer(struct maker *m, const struct shape *in)
{
    struct random_network *network = m->network;
    const size_t i = network->n_layers;
    struct layer *layer = &network->layers[i];

    *layer = (struct layer){.keras = m->keras};
    do
        layer->kind = draw_kind(m);
    while (layer->kind->keras_2_only && m->exact && m->keras == KERAS_3);
    struct draft draft = {.seed = &m->seed,
                          .in = in,
                          .winograd = m->winograd,
                          .layer = layer,
                          .params = cJSON_CreateObject()};
    random_layer(&draft);
    const bool fits = reference_shape(layer, in, &network->shapes[i]);
    const bool wrong = !fits && random_chance(&m->seed, 0.1);
    const double work = fits ? work_of(layer, in, &network->shapes[i]) : 0;

    if ((!fits && !wrong) || (fits && too_large(m, &network->shapes[i], work))) {
        cJSON_Delete(draft.params);
        random_layer_release(layer);
        return false;
    }
    if (wrong)
        point_at(m, i, "");
    else if (random_chance(&m->seed, 0.015)) {
        const char *key = random_layer_spoil(&draft);
        if (key)
            point_at(m, i, key);
    }
    put_layer(m, layer->kind, draft.params);
    m->work -= work;
    network->n_layers++;
    return true;
}

static void draw_layers(struct maker *m)
{
    struct random_network *network = m->network;
    const size_t wanted = (size_t)random_between(&m->seed, 1, RANDOM_LAYERS);
    const struct shape *in = &network->input;

    for (int tries = 0; network->n_layers < wanted && !network->invalid; tries++) {
        if (tries == 100 && network->n_layers > 0)
            break; /* no work is left */
        if (draw_layer(m, in))
            in = &network->shapes[network->n_layers - 1];
    }
}

/* ---- the document ---- */

/* A bare list, a request document, or a Keras model of either generation. */
static cJSON *draw_form(struct maker *m)
{
    const int form = random_between(&m->seed, 0, 3);
    cJSON *document, *config;

    m->keras = form == 2 ? KERAS_2 : KERAS_3;
    m->exact = form >= 2;
    m->list = cJSON_CreateArray();
    m->list_pointer = form == 0 ? "" : form == 1 ? "/layers" : "/config/layers";
    if (form == 0)
        return m->list;
    document = cJSON_CreateObject();
    if (form == 1) {
        cJSON_AddItemToObject(document, "layers", m->list);
        return document;
    }
    cJSON_AddStringToObject(document, "class_name", "Sequential");
    if (m->keras == KERAS_3)
        cJSON_AddStringToObject(document, "module", "keras");
    config = cJSON_AddObjectToObject(document, "config");
    cJSON_AddItemToObject(config, "layers", m->list);
    return document;
}

void random_network_init(struct random_network *network, uint64_t seed)
{
    /* Neighbours must not walk through the same states: a step of SplitMix64 adds a
     * constant, which this is not. */
    struct maker m = {.network = network, .seed = seed * 0xd1342543de82ef95u};

    *network = (struct random_network){.seed = seed};
    m.winograd = random_chance(&m.seed, 0.08);
    m.work = m.winograd || random_chance(&m.seed, 0.05) ? LARGE_WORK : USUAL_WORK;
    draw_shape(&m);
    draw_values(&m);
    cJSON *document = draw_form(&m);
    draw_layers(&m);
    network->json = cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
}

void random_network_release(struct random_network *network)
{
    for (size_t i = 0; i < network->n_layers; i++)
        random_layer_release(&network->layers[i]);
    free(network->json);
    free(network->values);
    *network = (struct random_network){0};
}

const char *random_network_kind(size_t i)
{
    int weight;

    return random_layer_kind(i, &weight);
}
