/*
 * lesson.h - the network that stands in when no layers are given: the lesson's
 * filter, detect, condense, with show_extraction's own parameters as options.
 */
#ifndef API_LESSON_H
#define API_LESSON_H

#include "api/options.h"
#include "engine/network.h"

/* Make the layers Filter, Detect and Condense from the options. Each has its name as
 * its pointer, "/Filter": there is no document, see lesson_tell_options. */
bool lesson_read(struct network *network, const struct options *options,
                 const struct limits *limits, struct arena *arena,
                 struct error *err) MUST_CHECK;

/* Faults that the engine found in the lesson's layers, at the pointers of parameters,
 * are told of the options that the parameters came from: "/Filter/kernel_size" is
 * kernel, and so is a fault of the whole layer. Does nothing to other faults. Returns
 * false, as what records faults does. */
bool lesson_tell_options(struct error *err);

/* True if the option is one that only the lesson has. */
bool lesson_owns(enum option_id option);

/* False if an option is given that only the lesson has: there are layers. */
bool lesson_check_absent(const struct options *options, struct error *err) MUST_CHECK;

#endif
