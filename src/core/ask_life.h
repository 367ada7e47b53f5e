/* How requests to clients end; for the core only. */
#ifndef JACKDAW_CORE_ASK_LIFE_H
#define JACKDAW_CORE_ASK_LIFE_H

#include "core/ask.h"

struct entity;
struct item;

/* A client's iq result or error that is for the server: ends the request with its id, if there is
 * one. */
void ask_answered(struct work *w) MAY_YIELD;

/* Handles an ITEM_ASK_DUE: the time of a request is up. */
void ask_due_handle(struct entity *e, struct item *item) MAY_YIELD;

/* A session ends: its requests with it. */
void ask_end_all(struct entity *e, struct session *s) MAY_YIELD;

#endif
