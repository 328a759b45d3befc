/* job.c - see job.h */
#include "tests/bench/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDARY "------------------------convscope"

static const size_t arena_bytes = (size_t)2 << 30;

static _Noreturn void refuse(const struct job *job, const char *why)
{
    fprintf(stderr, "bench: request %s: %s\n", job->request.query, why);
    exit(2);
}

/* A form of one file, as curl -F image=@photo sends it. */
static void write_body(struct buffer *body, const struct buffer *file)
{
    buffer_init(body, SIZE_MAX);
    buffer_text(body, "--" BOUNDARY "\r\n"
                      "Content-Disposition: form-data; name=\"image\"; "
                      "filename=\"photo.png\"\r\n"
                      "Content-Type: image/png\r\n\r\n");
    buffer_append(body, file->bytes, file->size);
    buffer_text(body, "\r\n--" BOUNDARY "--\r\n");
}

/* As api_call does it: see extract.c. */
static bool take_apart(struct job *job)
{
    struct work *work = &job->work;

    return work_read(work, PART_IMAGE | PART_CONFIG | PART_WEIGHTS, NULL) &&
           reply_negotiate(work_options(work), NULL, &work->format, &job->call.err) &&
           work_probe_input(work, false) && work_select_stages(work) &&
           work_plan(work) && work_bind_weights(work) && work_decode(work) &&
           work_run(work);
}

void job_init(struct job *job, const struct buffer *file, const char *query,
              const struct parallel *parallel)
{
    *job = (struct job){
        .request = {.id = "bench",
                    .method = "POST",
                    .path = "/v1/extract",
                    .query = query,
                    .content_type = "multipart/form-data; boundary=" BOUNDARY}};
    write_body(&job->body, file);
    job->request.body = job->body.bytes;
    job->request.body_size = job->body.size;
    if (!api_settings_init(&job->settings, NULL) ||
        !(job->session = api_session_new(&job->settings, parallel)) ||
        !arena_init(&job->arena, arena_bytes))
        refuse(job, "no memory");
    job->call = (struct call){.session = job->session,
                              .settings = &job->settings,
                              .parallel = parallel,
                              .arena = &job->arena,
                              .request = &job->request,
                              .tail = "",
                              .reply = &job->reply};
    job->work.call = &job->call;
    error_init(&job->call.err);
    if (!take_apart(job))
        refuse(job, job->call.err.detail);
}

void job_release(struct job *job)
{
    work_finish(&job->work, true);
    api_reply_release(&job->reply);
    api_session_free(job->session);
    arena_release(&job->arena);
    buffer_release(&job->body);
}

struct tensor job_stage(struct job *job, size_t i)
{
    const struct selected *stage = &job->work.stages[i];

    return stage->index ? job->work.plan.layers[stage->index - 1].output
                        : job->work.pixels;
}

void job_paint(struct job *job, size_t i, struct picture_set *pictures)
{
    const struct selected *stage = &job->work.stages[i];
    const struct render render = work_render(&job->work, stage);
    const struct picture_context context = {&render, job->settings.kernels,
                                            job->call.parallel, &job->arena};
    const struct tensor tensor = job_stage(job, i);

    if (!picture_paint(&tensor, stage->index == 0, &context, pictures, &job->call.err))
        refuse(job, job->call.err.detail);
}
