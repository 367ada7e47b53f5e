#include "bus/bus.h"

#include "base/mem.h"

#define FRAME_MAX ((size_t)64 << 20)

static const struct crossing_type *types[CROSSING_TYPES_MAX];
static unsigned n_types;
static bool loopback;

/* A crossing as bytes, on its way to another worker. */
struct frame {
    struct post post;
    size_t len;
    char *bytes;
};

void bus_declare(const struct crossing_type *type)
{
    for (unsigned i = 0; i < n_types; i++)
        if (types[i] == type)
            return;
    INVARIANT(n_types < CROSSING_TYPES_MAX);
    types[n_types++] = type;
}

void bus_set_loopback(bool on)
{
    loopback = on;
}

void bus_encode(const struct crossing *x, struct strbuf *out)
{
    unsigned number = 0;
    while (number < n_types && types[number] != x->type)
        number++;
    INVARIANT(number < n_types);
    wire_put_u32(out, number);
    x->type->encode(x, out);
}

struct crossing *bus_decode(const char *bytes, size_t len)
{
    struct wire in = {.p = bytes, .end = bytes + len};
    uint32_t number = wire_u32(&in);
    if (in.bad || number >= n_types)
        return NULL;
    struct crossing *x = types[number]->decode(&in);
    if (x)
        x->type = types[number];
    if (x && (in.bad || in.p != in.end)) {
        x->type->free(x);
        x = NULL;
    }
    return x;
}

static void frame_arrive(struct post *post)
{
    struct frame *f = CONTAINER_OF(post, struct frame, post);
    struct crossing *x = bus_decode(f->bytes, f->len);
    INVARIANT(x != NULL); /* our own bytes */
    free(f->bytes);
    free(f);
    x->type->arrive(x);
}

static void send_bytes(struct worker *to, struct crossing *x)
{
    struct strbuf out;
    strbuf_init(&out, FRAME_MAX);
    bus_encode(x, &out);
    INVARIANT(!out.overflow);
    x->type->free(x);
    struct frame *f = mem_new(struct frame);
    f->post.run = frame_arrive;
    f->len = out.len;
    f->bytes = strbuf_detach(&out);
    worker_post(to, &f->post);
}

static void crossing_arrive(struct post *post)
{
    struct crossing *x = CONTAINER_OF(post, struct crossing, post);
    x->type->arrive(x);
}

void bus_send(struct crew *crew, unsigned to, struct crossing *x)
{
    struct worker *w = crew_worker(crew, to);
    if (loopback) {
        send_bytes(w, x);
    } else if (w == worker_self()) {
        x->type->arrive(x);
    } else {
        x->post.run = crossing_arrive;
        worker_post(w, &x->post);
    }
}
