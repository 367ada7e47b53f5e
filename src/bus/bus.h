/* The bus: what crosses from one home to another. A crossing is of a declared type that can be
 * encoded and decoded, so that it may one day leave the machine. In mode `local` the object itself
 * is handed over; in mode `loopback` every crossing, even to the own worker, goes through bytes.
 * Order per pair of workers is kept. */
#ifndef JACKDAW_BUS_BUS_H
#define JACKDAW_BUS_BUS_H

#include "base/strbuf.h"
#include "bus/wire.h"
#include "loop/worker.h"

struct crossing;

struct crossing_type {
    const char *name;
    /* Appends everything that `x` says. */
    void (*encode)(const struct crossing *x, struct strbuf *out);
    /* The opposite; NULL if the bytes are malformed. */
    struct crossing *(*decode)(struct wire *in);
    /* On the destination's loop stack or, within one worker, wherever it was sent: owns `x`; must
     * not yield. */
    void (*arrive)(struct crossing *x);
    void (*free)(struct crossing *x);
};

/* The head of every crossing object. */
struct crossing {
    struct post post;
    const struct crossing_type *type;
};

#define CROSSING_TYPES_MAX 16

/* Makes a type known (before any worker serves); types are numbered in the order of these calls. */
void bus_declare(const struct crossing_type *type);

/* Whether crossings go through bytes. Before any worker serves. */
void bus_set_loopback(bool on);

/* Hands `x` over to worker `to`, which owns it from now on. From a worker. */
void bus_send(struct crew *crew, unsigned to, struct crossing *x);

/* Encodes with the type's number in front / decodes; NULL if malformed. For the loopback and its
 * tests. */
void bus_encode(const struct crossing *x, struct strbuf *out);
struct crossing *bus_decode(const char *bytes, size_t len);

#endif
