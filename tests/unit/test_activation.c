/* test_activation.c - names of activations, and x^gamma against the C library. */
#include "tests/unit/check.h"

#include <stdio.h>

#include "engine/activation.h"
#include "engine/kernels.h"

Test(activation, names_are_exact)
{
    struct activation found;

    cr_assert(activation_find("relu", KERAS_2, &found));
    cr_assert_eq(found.id, ACTIVATION_RELU);
    cr_assert_not(activation_find("Relu", KERAS_3, &found));
    cr_assert_not(activation_find("", KERAS_3, &found));
    cr_assert_not(activation_find("rectifier", KERAS_ANY, &found));
}

/* What differs between the generations. */
Test(activation, generations_have_their_own_names)
{
    static const char *const only_3[] = {"leaky_relu", "relu6", "silu", "log_softmax",
                                         "hard_silu"};
    struct activation found;

    for (size_t i = 0; i < sizeof only_3 / sizeof *only_3; i++) {
        cr_assert_not(activation_find(only_3[i], KERAS_2, &found), "%s", only_3[i]);
        cr_assert(activation_find(only_3[i], KERAS_3, &found), "%s", only_3[i]);
    }
    cr_assert(activation_find("hard_sigmoid", KERAS_2, &found));
    cr_assert_eq(found.id, ACTIVATION_HARD_SIGMOID_2);
    cr_assert(activation_find("hard_sigmoid", KERAS_3, &found));
    cr_assert_eq(found.id, ACTIVATION_HARD_SIGMOID);
    cr_assert(activation_find("leaky_relu", KERAS_3, &found));
    cr_assert_eq(found.alpha, 0.2f);
}

/* Independent values of Keras' definitions, read from a file. */
Test(activation, values_are_keras)
{
    enum { POINTS = 32 };
    FILE *file = fopen("tests/data/activations.txt", "r");
    double points[POINTS], want[POINTS];
    char name[64];
    int c;

    cr_assert_not_null(file);
    while ((c = fgetc(file)) == '#')
        cr_assert_eq(fscanf(file, "%*[^\n]\n"), 0);
    ungetc(c, file);
    while (fscanf(file, "%63s", name) == 1) {
        struct activation activation;
        float got[POINTS];

        for (size_t i = 0; i < POINTS; i++)
            cr_assert_eq(fscanf(file, "%lf", &want[i]), 1);
        if (strcmp(name, "x") == 0) {
            memcpy(points, want, sizeof points);
            continue;
        }
        char *digits = strstr(name, "_0."), *keras_2 = strstr(name, "_keras2");
        char *keras_3 = strstr(name, "_keras3");
        const float slope = digits ? strtof(digits + 1, NULL) : 0;
        if (digits)
            *digits = '\0';
        if (keras_2 || keras_3)
            *(keras_2 ? keras_2 : keras_3) = '\0';
        if (strcmp(name, "gelu_approximate") == 0)
            continue; /* no document can name it */
        cr_assert(activation_find(name, keras_2 ? KERAS_2 : KERAS_3, &activation), "%s",
                  name);
        if (digits)
            activation.alpha = slope;
        for (size_t i = 0; i < POINTS; i++)
            got[i] = (float)points[i];
        kernels_find(NULL)->activate(&activation, got, got, POINTS, POINTS, false);
        for (size_t i = 0; i < POINTS; i++)
            cr_assert_float_eq((double)got[i], want[i], 1e-6 + 1e-6 * fabs(want[i]),
                               "%s(%g)", name, points[i]);
    }
    fclose(file);
}

Test(activation, power_is_within_an_ulp)
{
    static const float gammas[] = {0.25f, 0.45f, 0.5f, 1, 1.5f, 2, 2.2f, 3, 17.3f, 100};
    uint64_t seed = 1;

    for (size_t g = 0; g < sizeof gammas / sizeof *gammas; g++)
        for (int i = 0; i < 20000; i++) {
            float x = (float)pow(10, 8 * generate_uniform(&seed) - 6);
            const double want = pow((double)x, (double)gammas[g]);
            activation_power(&x, 1, gammas[g]);
            if (want > 3.4028236e38)
                cr_assert_eq(x, INFINITY);
            else if (want < 3.4028234e38)
                cr_assert_float_eq((double)x, want, want * 6.1e-8 + 1e-45);
        }
}

/* tf.image.adjust_gamma: 0^0 is 1, a negative x has no fractional power. */
Test(activation, power_at_the_edges)
{
    static const struct {
        float x, gamma, want;
    } rows[] = {
        {0, 0, 1},           {-4, 0, 1},      {0, 0.5f, 0},  {-4, 1, -4},
        {-4, 2, 16},         {-2, 3, -8},     {4, 0.5f, 2},  {1, 2.2f, 1},
        {0.25f, 0.5f, 0.5f}, {-1, 0.5f, NAN}, {NAN, 2, NAN}, {INFINITY, 2, INFINITY},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float x = rows[i].x;
        activation_power(&x, 1, rows[i].gamma);
        cr_assert(same_bits(&x, &rows[i].want, 1), "%g^%g is %g", (double)rows[i].x,
                  (double)rows[i].gamma, (double)x);
    }
}
