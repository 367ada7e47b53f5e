/* Calls into an account's order of things, for admin commands: account_do(). */
#ifndef JACKDAW_CORE_CALL_H
#define JACKDAW_CORE_CALL_H

#include "loop/fiber.h"

struct entity;
struct item;

/* ITEM_CALL, in the account's fiber. */
void call_handle(struct entity *e, struct item *item) MAY_YIELD;
void call_refuse(struct item *item);

#endif
