/* Self-signed certificates, for trying the server out. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/tls.h"

#define VALID_DAYS 825
#define CLOCK_SKEW (60 * 60) /* seconds that a client's clock may be behind */
#define COMMON_NAME_MAX 64   /* ub-common-name, RFC 5280 appendix A.1 */

static int fail(struct err *e, const char *file, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return err_set(e, "%s: %s: %s", file, what, reason ? reason : strerror(errno));
}

/* Writes a file that appears whole or not at all. */
static int write_file(const char *file, mode_t mode, BIO *content, struct err *e)
{
    char *bytes;
    long len = BIO_get_mem_data(content, &bytes);
    size_t size = strlen(file) + sizeof(".new");
    char *fresh = mem_alloc(size);
    snprintf(fresh, size, "%s.new", file);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool done = fd >= 0 && write(fd, bytes, (size_t)len) == len && fsync(fd) == 0;
    if (fd >= 0)
        done = close(fd) == 0 && done;
    done = done && rename(fresh, file) == 0;
    int result = done ? 0 : err_set(e, "%s: cannot write: %s", file, strerror(errno));
    if (!done)
        unlink(fresh);
    free(fresh);
    return result;
}

static EVP_PKEY *load_key(const char *file, struct err *e)
{
    BIO *bio = BIO_new_file(file, "r");
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
    if (!key)
        fail(e, file, "cannot read the key");
    BIO_free(bio);
    return key;
}

static EVP_PKEY *make_key(const char *file, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem()); /* is cleared when freed */
    INVARIANT(key && bio);
    INVARIANT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (write_file(file, 0600, bio, e) < 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    BIO_free(bio);
    return key;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool done = ext && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return done;
}

/* The host as DNS name and as XmppAddr (RFC 6120, section 13.7.1.4). Built by hand: in OpenSSL's
 * textual form a host could break out. */
static bool add_names(X509 *cert, const char *host, const char *name)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *dns = GENERAL_NAME_new(), *xmpp = GENERAL_NAME_new();
    ASN1_IA5STRING *ia5 = ASN1_IA5STRING_new();
    ASN1_UTF8STRING *utf8 = ASN1_UTF8STRING_new();
    ASN1_TYPE *value = ASN1_TYPE_new();
    INVARIANT(names && dns && xmpp && ia5 && utf8 && value);
    INVARIANT(ASN1_STRING_set(ia5, name, -1) == 1 && ASN1_STRING_set(utf8, host, -1) == 1);
    GENERAL_NAME_set0_value(dns, GEN_DNS, ia5);
    ASN1_TYPE_set(value, V_ASN1_UTF8STRING, utf8);
    INVARIANT(GENERAL_NAME_set0_othername(xmpp, OBJ_nid2obj(NID_XmppAddr), value) == 1);
    INVARIANT(sk_GENERAL_NAME_push(names, dns) > 0 && sk_GENERAL_NAME_push(names, xmpp) > 0);
    bool done = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
    GENERAL_NAMES_free(names);
    return done;
}

static bool add_serial(X509 *cert)
{
    unsigned char bytes[16];
    mem_random(bytes, sizeof(bytes));
    bytes[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return done;
}

static bool fill(X509 *cert, const char *host, const char *dns, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(cert);
    const char *common = strlen(host) <= COMMON_NAME_MAX ? host : "localhost";
    return X509_set_version(cert, X509_VERSION_3) == 1 && add_serial(cert) &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
           add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(cert, NID_subject_key_identifier, "hash") && add_names(cert, host, dns);
}

static int write_cert(const char *host, const char *dns, EVP_PKEY *key, const char *file,
                      struct err *e)
{
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    INVARIANT(cert && bio);
    int result;
    if (!fill(cert, host, dns, key) || X509_sign(cert, key, EVP_sha256()) == 0 ||
        PEM_write_bio_X509(bio, cert) != 1)
        result = fail(e, file, "cannot make the certificate");
    else
        result = write_file(file, 0644, bio, e);
    BIO_free(bio);
    X509_free(cert);
    return result;
}

int tls_self_signed(const char *host, const char *dns, const char *cert_file, const char *key_file,
                    struct err *e)
{
    if (access(cert_file, F_OK) == 0)
        return 0;
    ERR_clear_error();
    EVP_PKEY *key = access(key_file, F_OK) == 0 ? load_key(key_file, e) : make_key(key_file, e);
    if (!key)
        return -1;
    int result = write_cert(host, dns, key, cert_file, e); /* last: it says that both are there */
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}
