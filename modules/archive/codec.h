/* How a message stands in the archive: the owner's own resource with a NUL after it, then the
 * element without `from` and `to` (the rest of these are columns): one byte that names the format,
 * and the data, compressed with a dictionary of what messages are made of. Shared by the modules
 * that read the archive's table. */
#ifndef JACKDAW_ARCHIVE_CODEC_H
#define JACKDAW_ARCHIVE_CODEC_H

#include "core/module.h"

/* Directions, as stored. */
enum archive_dir { ARCHIVE_IN = 0, ARCHIVE_OUT = 1 };

/* Compresses a message that is about to be routed, once for both archives: that costs more than
 * all else that is done with it. What is edited afterwards is compressed anew. */
void archive_prepare(struct stanza *st);

/* The stored form of `st` in `out`, which this initialises and the caller frees. */
void archive_encode(const struct stanza *st, enum archive_dir dir, struct strbuf *out);

/* The message again, from its columns. `own` is the account's bare JID; `resource` is that of the
 * sender (IN) or of the addressee (OUT), "" for none. NULL if the data is damaged. The caller drops
 * the reference. */
struct stanza *archive_decode(const void *data, size_t len, enum archive_dir dir,
                              const struct jid *own, const char *peer, const char *resource);

#endif
