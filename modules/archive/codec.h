/* How a message stands in the archive: its element without `from` and `to` (these are columns),
 * compressed with a dictionary of what messages are made of. Shared by the modules that read the
 * archive's table. */
#ifndef JACKDAW_ARCHIVE_CODEC_H
#define JACKDAW_ARCHIVE_CODEC_H

#include "core/module.h"

/* Directions, as stored. */
enum archive_dir { ARCHIVE_IN = 0, ARCHIVE_OUT = 1 };

/* Appends the stored form of `st` to `out`: one byte that names the format, then the data. */
void archive_encode(const struct stanza *st, enum archive_dir dir, struct strbuf *out);

/* The message again, from its columns. `own` is the account's bare JID; `resource` is that of the
 * sender (IN) or of the addressee (OUT), "" for none. NULL if the data is damaged. The caller drops
 * the reference. */
struct stanza *archive_decode(const void *data, size_t len, enum archive_dir dir,
                              const struct jid *own, const char *peer, const char *resource);

#endif
