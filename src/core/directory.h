/* What the presence directory is told about our accounts. */
#ifndef JACKDAW_CORE_DIRECTORY_H
#define JACKDAW_CORE_DIRECTORY_H

struct entity;

/* Writes the account's online sessions through to the directory. At home; returns at once. */
void directory_publish(const struct entity *account);

/* Writes every online account of every worker again: the directory has forgotten. On the first
 * worker. */
void directory_rebuild(void *unused);

#endif
