/* RFC 8264 and 8265: what a new user name may look like, beyond what Nodeprep lets through. */
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "xmpp/jid.h"

#define UNITS 1024 /* a node has at most 1023 bytes, so fewer UTF-16 units */

/* RFC 5892 section 2.6, as RFC 8264 section 9.6 takes it over. The characters whose validity hangs
 * on their neighbours (section 9.6, CONTEXTO) are refused but for the Arabic digits. */
static const UChar32 valid_exceptions[] = {0xdf, 0x3c2, 0x6fd, 0x6fe, 0xf0b, 0x3007};
static const UChar32 invalid_exceptions[] = {0xb7,   0x375,  0x5f3,  0x5f4,  0x640,
                                             0x7fa,  0x302e, 0x302f, 0x3031, 0x3032,
                                             0x3033, 0x3034, 0x3035, 0x303b, 0x30fb};

static bool listed(const UChar32 *list, size_t count, UChar32 c)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == c)
            return true;
    }
    return false;
}

static bool is_letter_digit(UChar32 c)
{
    return U_GET_GC_MASK(c) & (U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK |
                               U_GC_LM_MASK | U_GC_MN_MASK | U_GC_MC_MASK);
}

static bool is_old_jamo(UChar32 c)
{
    int32_t type = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);
    return type == U_HST_LEADING_JAMO || type == U_HST_VOWEL_JAMO || type == U_HST_TRAILING_JAMO;
}

static bool has_compat(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
    UChar in[2], out[32];
    int32_t n = 0;
    U16_APPEND_UNSAFE(in, n, c);
    int32_t len = unorm2_normalize(nfkc, in, n, out, ARRAY_LEN(out), &status);
    return U_FAILURE(status) || len != n || memcmp(in, out, (size_t)n * sizeof(*in)) != 0;
}

/* The IdentifierClass (RFC 8264 section 4.2), in the order of its section 8. */
static bool in_identifier_class(UChar32 c)
{
    if (listed(valid_exceptions, ARRAY_LEN(valid_exceptions), c))
        return true;
    if (listed(invalid_exceptions, ARRAY_LEN(invalid_exceptions), c) || !u_isdefined(c))
        return false;
    if (c >= 0x21 && c <= 0x7e)
        return true;
    if (u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) || is_old_jamo(c) ||
        u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || has_compat(c))
        return false;
    return is_letter_digit(c);
}

/* Bits of the directions that a string holds (RFC 5893 section 2). */
#define DIR(name) (1u << U_##name)
#define DIR_RTL (DIR(RIGHT_TO_LEFT) | DIR(RIGHT_TO_LEFT_ARABIC) | DIR(ARABIC_NUMBER))
#define DIR_WEAK                                                                                   \
    (DIR(EUROPEAN_NUMBER_SEPARATOR) | DIR(COMMON_NUMBER_SEPARATOR) |                               \
     DIR(EUROPEAN_NUMBER_TERMINATOR) | DIR(OTHER_NEUTRAL) | DIR(BOUNDARY_NEUTRAL) |                \
     DIR(DIR_NON_SPACING_MARK) | DIR(EUROPEAN_NUMBER))

static bool bidi_valid(const UChar *s, int32_t len)
{
    uint32_t first = 0, last = 0, all = 0;
    for (int32_t i = 0; i < len;) {
        UChar32 c;
        U16_NEXT(s, i, len, c);
        uint32_t dir = 1u << u_charDirection(c);
        all |= dir;
        first = first ? first : dir;
        last = dir == DIR(DIR_NON_SPACING_MARK) ? last : dir;
    }
    if (!(all & DIR_RTL))
        return true;
    if (!(first & (DIR(RIGHT_TO_LEFT) | DIR(RIGHT_TO_LEFT_ARABIC))))
        return false; /* a left-to-right text may hold nothing of the other direction */
    bool both_digits = (all & DIR(ARABIC_NUMBER)) && (all & DIR(EUROPEAN_NUMBER));
    return !(all & ~(DIR_RTL | DIR_WEAK)) && !both_digits &&
           (last & (DIR_RTL | DIR(EUROPEAN_NUMBER)));
}

/* RFC 8264 appendix A.8 and A.9: two kinds of Arabic digits do not mix. */
static bool digits_valid(const UChar *s, int32_t len)
{
    bool arabic = false, extended = false;
    for (int32_t i = 0; i < len; i++) {
        arabic |= s[i] >= 0x660 && s[i] <= 0x669;
        extended |= s[i] >= 0x6f0 && s[i] <= 0x6f9;
    }
    return !(arabic && extended);
}

/* Whether NFC leaves it as it is. */
static bool is_nfc(const UChar *s, int32_t len)
{
    UErrorCode status = U_ZERO_ERROR;
    return unorm2_isNormalized(unorm2_getNFCInstance(&status), s, len, &status) &&
           U_SUCCESS(status);
}

/* In lower case too: then it is its own UsernameCaseMapped form. */
static bool all_in_class(const UChar *s, int32_t len)
{
    for (int32_t i = 0; i < len;) {
        UChar32 c;
        U16_NEXT(s, i, len, c);
        if (!in_identifier_class(c) || u_tolower(c) != c)
            return false;
    }
    return true;
}

bool jid_node_is_precis(const char *node)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar s[UNITS];
    int32_t len = 0;
    u_strFromUTF8(s, UNITS, &len, node, -1, &status);
    if (U_FAILURE(status) || len == 0)
        return false;
    return all_in_class(s, len) && is_nfc(s, len) && digits_valid(s, len) && bidi_valid(s, len);
}
