# C only, like octets.pxd: a Community ID takes half the time with the processor's SHA-1, where it has one, and in C.
cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static const uint32_t ctreplay_sha1_start[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};

    static inline void ctreplay_sha1_store(unsigned char *out, uint32_t word) {
        out[0] = word >> 24; out[1] = word >> 16; out[2] = word >> 8; out[3] = word;
    }

    #if defined(__x86_64__) && defined(__GNUC__)
    #include <cpuid.h>
    #include <immintrin.h>

    static int ctreplay_sha1_extensions(void) {
        unsigned int a, b, c, d, e, f, g, h;
        return __get_cpuid(1, &a, &b, &c, &d) && c >> 9 & c >> 19 & 1 && __get_cpuid_count(7, 0, &e, &f, &g, &h)
            && f >> 29 & 1;
    }

    /* words of a block lie in a register with the first of them in the highest place */
    #define CTREPLAY_SHA1_ROUNDS(first, kind) \
        for (i = first; i < first + 5; i++) { \
            e = i ? _mm_sha1nexte_epu32(e, w[i]) : _mm_add_epi32(e, w[i]); \
            before = abcd; \
            abcd = _mm_sha1rnds4_epu32(abcd, e, kind); \
            e = before; \
        }

    __attribute__((target("sha,ssse3,sse4.1")))
    static void ctreplay_sha1_fast(const unsigned char *block, unsigned char *out) {
        const __m128i turn = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        const uint32_t *h = ctreplay_sha1_start;
        const __m128i start = _mm_set_epi32(h[0], h[1], h[2], h[3]), last = _mm_set_epi32(h[4], 0, 0, 0);
        __m128i w[20], abcd = start, e = last, before;
        int i;
        for (i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), turn);
        for (i = 4; i < 20; i++)
            w[i] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w[i - 4], w[i - 3]), w[i - 2]), w[i - 1]);
        CTREPLAY_SHA1_ROUNDS(0, 0)
        CTREPLAY_SHA1_ROUNDS(5, 1)
        CTREPLAY_SHA1_ROUNDS(10, 2)
        CTREPLAY_SHA1_ROUNDS(15, 3)
        e = _mm_sha1nexte_epu32(e, last);
        _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(_mm_add_epi32(abcd, start), turn));
        ctreplay_sha1_store(out + 16, _mm_extract_epi32(e, 3));
    }
    #else
    static int ctreplay_sha1_extensions(void) { return 0; }
    #define ctreplay_sha1_fast ctreplay_sha1_plain
    #endif

    static inline uint32_t ctreplay_sha1_roll(uint32_t word, int by) { return word << by | word >> (32 - by); }

    static void ctreplay_sha1_plain(const unsigned char *block, unsigned char *out) {
        const uint32_t *h = ctreplay_sha1_start;
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f;
        for (int i = 0; i < 80; i++) {
            if (i < 16)
                w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
            else
                w[i] = ctreplay_sha1_roll(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
            f = i < 20 ? (b & c | ~b & d) + 0x5A827999 : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                : i < 60 ? (b & c | b & d | c & d) + 0x8F1BBCDC : (b ^ c ^ d) + 0xCA62C1D6;
            f += ctreplay_sha1_roll(a, 5) + e + w[i];
            e = d;
            d = c;
            c = ctreplay_sha1_roll(b, 30);
            b = a;
            a = f;
        }
        ctreplay_sha1_store(out, h[0] + a);
        ctreplay_sha1_store(out + 4, h[1] + b);
        ctreplay_sha1_store(out + 8, h[2] + c);
        ctreplay_sha1_store(out + 12, h[3] + d);
        ctreplay_sha1_store(out + 16, h[4] + e);
    }

    static inline int ctreplay_sha1(unsigned char *block, Py_ssize_t size, unsigned char *out, int fast) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        unsigned char digest[21];
        memset(block + size, 0, 64 - size);
        block[size] = 0x80;
        block[62] = size >> 5;
        block[63] = size << 3;
        (fast ? ctreplay_sha1_fast : ctreplay_sha1_plain)(block, digest);
        digest[20] = 0;
        for (int i = 0; i < 21; i += 3) {
            uint32_t x = (uint32_t)digest[i] << 16 | digest[i + 1] << 8 | digest[i + 2];
            *out++ = letters[x >> 18];
            *out++ = letters[x >> 12 & 63];
            *out++ = letters[x >> 6 & 63];
            *out++ = letters[x & 63];
        }
        out[-1] = '=';
        return 0;
    }
    #define ctreplay_sha1_text(block, size, out, at, fast) \
        ctreplay_sha1((unsigned char *)(block).data, size, (unsigned char *)(out).data + (at), fast)
    """
    bint extensions "ctreplay_sha1_extensions"() noexcept
    int text "ctreplay_sha1_text"(
        unsigned char[::1] block, Py_ssize_t size, unsigned char[::1] out, Py_ssize_t at, bint fast
    ) noexcept
