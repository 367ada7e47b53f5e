#include "xmpp/jid_prep.h"

#include <pthread.h>
#include <unicode/uidna.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#include "base/mem.h"

/* More than any part of a JID; UTF-16 units and bytes. What is longer is refused unread. */
#define UNITS 4096

/* Working space: too much for a fiber's stack. */
struct space {
    UChar in[UNITS], out[UNITS];
    char bytes[UNITS];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static UStringPrepProfile *profiles[PREP_PROFILES]; /* const after opening: any thread */
static UIDNA *idna;

static void open_all(void)
{
    static const UStringPrepProfileType types[PREP_PROFILES] = {
        [PREP_NODE] = USPREP_RFC3920_NODEPREP,
        [PREP_RESOURCE] = USPREP_RFC3920_RESOURCEPREP,
        [PREP_SASL] = USPREP_RFC4013_SASLPREP,
    };
    UErrorCode status = U_ZERO_ERROR;
    for (int i = 0; i < PREP_PROFILES; i++)
        profiles[i] = usprep_openByType(types[i], &status);
    idna = uidna_openUTS46(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                               UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                           &status);
    INVARIANT(U_SUCCESS(status)); /* ICU's data is missing otherwise */
}

/* One application; the length of the result in sp->bytes, 0 on failure. */
static size_t apply_profile(const UStringPrepProfile *profile, const char *s, size_t len,
                            struct space *sp)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t units, bytes;
    u_strFromUTF8(sp->in, UNITS, &units, s, (int32_t)len, &status);
    if (U_FAILURE(status))
        return 0;
    units = usprep_prepare(profile, sp->in, units, sp->out, UNITS, USPREP_ALLOW_UNASSIGNED, NULL,
                           &status);
    if (U_FAILURE(status))
        return 0;
    u_strToUTF8(sp->bytes, UNITS, &bytes, sp->out, units, &status);
    return U_FAILURE(status) ? 0 : (size_t)bytes;
}

size_t prep_string(enum prep_profile profile, const char *s, size_t len, char *out, size_t out_size)
{
    if (len == 0 || len > UNITS)
        return 0;
    pthread_once(&once, open_all);
    struct space *sp = mem_alloc(sizeof(*sp));
    size_t n = apply_profile(profiles[profile], s, len, sp);
    if (n >= out_size)
        n = 0;
    memcpy(out, sp->bytes, n);
    out[n] = '\0';
    /* Case folding and NFKC undo each other's work for a few characters. */
    if (n && (apply_profile(profiles[profile], out, n, sp) != n || memcmp(out, sp->bytes, n) != 0))
        n = 0;
    free(sp);
    return n;
}

/* What UTS 46 objects to but DNS and our peers do not. */
#define TOLERATED (UIDNA_ERROR_HYPHEN_3_4 | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG)

static size_t apply_idna(const char *s, size_t len, struct space *sp)
{
    UErrorCode status = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    /* To A-labels for their limits, then to U-labels. */
    uidna_nameToASCII_UTF8(idna, s, (int32_t)len, sp->bytes, UNITS, &info, &status);
    if (U_FAILURE(status) || (info.errors & ~(uint32_t)TOLERATED))
        return 0;
    info = (UIDNAInfo)UIDNA_INFO_INITIALIZER;
    int32_t n = uidna_nameToUnicodeUTF8(idna, s, (int32_t)len, sp->bytes, UNITS, &info, &status);
    if (U_FAILURE(status) || (info.errors & ~(uint32_t)TOLERATED) || n < 0 || n > UNITS)
        return 0;
    return (size_t)n;
}

size_t prep_domain_name(const char *s, size_t len, char *out, size_t out_size)
{
    if (len == 0 || len > UNITS)
        return 0;
    pthread_once(&once, open_all);
    struct space *sp = mem_alloc(sizeof(*sp));
    size_t n = apply_idna(s, len, sp);
    if (n > 0 && sp->bytes[n - 1] == '.')
        n--;
    if (n >= out_size)
        n = 0;
    memcpy(out, sp->bytes, n);
    out[n] = '\0';
    if (n && (apply_idna(out, n, sp) != n || memcmp(out, sp->bytes, n) != 0))
        n = 0;
    free(sp);
    return n;
}

size_t prep_domain_ascii(const char *s, size_t len, char *out, size_t out_size)
{
    UErrorCode status = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    pthread_once(&once, open_all);
    int32_t n =
        uidna_nameToASCII_UTF8(idna, s, (int32_t)len, out, (int32_t)out_size, &info, &status);
    if (U_FAILURE(status) || (info.errors & ~(uint32_t)TOLERATED) || (size_t)n >= out_size)
        n = 0;
    out[n] = '\0';
    return (size_t)n;
}
