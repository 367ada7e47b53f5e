#include "net/tls_peer.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include "base/mem.h"

bool tls_is_1_3(const SSL *ssl)
{
    return SSL_version(ssl) >= TLS1_3_VERSION;
}

/* Whether what the handshake has agreed on is known to these two ends alone. Without the extended
 * master secret it is not: the triple handshake attack (RFC 7627, RFC 9266 section 2). */
static bool is_unique(SSL *ssl)
{
    return ssl && (tls_is_1_3(ssl) || SSL_get_extms_support(ssl) == 1);
}

size_t tls_exporter(SSL *ssl, unsigned char out[TLS_BINDING_MAX])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    const size_t len = 32;
    if (!is_unique(ssl))
        return 0;
    return SSL_export_keying_material(ssl, out, len, label, sizeof(label) - 1,
                                      (const unsigned char *)"", 0, 1) == 1
               ? len
               : 0;
}

size_t tls_unique(SSL *ssl, unsigned char out[TLS_BINDING_MAX])
{
    if (!is_unique(ssl))
        return 0;
    /* The client's Finished comes first, in a resumed session of TLS 1.2 ours. */
    size_t len = SSL_session_reused(ssl) ? SSL_get_finished(ssl, out, TLS_BINDING_MAX)
                                         : SSL_get_peer_finished(ssl, out, TLS_BINDING_MAX);
    return len <= TLS_BINDING_MAX ? len : 0;
}

/* The hash of the certificate's signature, SHA-256 where that is MD5 or SHA-1 (RFC 5929
 * section 4.1). */
static const EVP_MD *hash_of(X509 *cert)
{
    int nid = NID_undef;
    if (X509_get_signature_info(cert, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
        return NULL;
    return nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
}

size_t tls_server_end_point(SSL *ssl, unsigned char out[TLS_BINDING_MAX])
{
    X509 *cert = ssl ? SSL_get_certificate(ssl) : NULL;
    const EVP_MD *md = cert ? hash_of(cert) : NULL;
    unsigned len = 0;
    if (!md || EVP_MD_get_size(md) > TLS_BINDING_MAX || X509_digest(cert, md, out, &len) != 1)
        return 0;
    return len;
}

/* The certificate that counts: verified, in this handshake and not in one that is resumed, under
 * the CA of the host that it is to be used for. */
static X509 *verified_peer(SSL *ssl, const char *host)
{
    if (!ssl || SSL_session_reused(ssl))
        return NULL;
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    const char *name = SSL_CTX_get_app_data(ctx);
    if (!name || strcasecmp(name, host) != 0 || SSL_CTX_get_verify_mode(ctx) == SSL_VERIFY_NONE)
        return NULL;
    return SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl) : NULL;
}

void tls_peer_addresses(SSL *ssl, const char *host,
                        void (*each)(void *arg, const char *address, size_t len), void *arg)
{
    X509 *cert = verified_peer(ssl, host);
    GENERAL_NAMES *names = cert ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) { /* -1 for NULL */
        ASN1_OBJECT *type;
        ASN1_TYPE *value;
        if (GENERAL_NAME_get0_otherName(sk_GENERAL_NAME_value(names, i), &type, &value) != 1 ||
            OBJ_obj2nid(type) != NID_XmppAddr || value->type != V_ASN1_UTF8STRING)
            continue;
        const ASN1_UTF8STRING *s = value->value.utf8string;
        each(arg, (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    }
    GENERAL_NAMES_free(names);
}
