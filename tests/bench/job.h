/*
 * job.h - a request as users send it, an upload of a photo, and the same work taken
 * apart as far as the stages whose pictures were asked for.
 */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include "api/work.h"

struct job {
    struct api_settings settings;
    struct buffer body;
    struct api_request request;

    /* Taken apart: work->n_stages of them, decoded and computed. */
    struct api_session *session;
    struct arena arena;
    struct api_reply reply;
    struct call call;
    struct work work;
};

/* Ends the program with a message if the request is refused. */
void job_init(struct job *job, const struct buffer *file, const char *query,
              const struct parallel *parallel);
void job_release(struct job *job);

/* The stage at a place in the reply. */
struct tensor job_stage(struct job *job, size_t i);

/* Its pictures, in the job's arena. */
void job_paint(struct job *job, size_t i, struct picture_set *pictures);

#endif
