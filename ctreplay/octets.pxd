# C only: modules that cimport it (by its whole name: only so its changes are noticed) call these instead of the
# functions of the .py, which read through Python objects.
# Compilers make one load of bytes that are read from one address, and four of bytes that are indexed one by one.
cdef extern from *:
    """
    #include <assert.h>
    #include <stdint.h>

    static inline const unsigned char *ctreplay_octets(const char *data, Py_ssize_t size, Py_ssize_t at, Py_ssize_t count) {
        assert(at >= 0 && count >= 0 && at + count <= size);
        (void)size;
        (void)count;
        return (const unsigned char *)data + at;
    }
    static inline int ctreplay_be16(const unsigned char *b) { return b[0] << 8 | b[1]; }
    static inline uint32_t ctreplay_be32(const unsigned char *b) {
        return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    static inline uint32_t ctreplay_le32(const unsigned char *b) {
        return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
    }
    static inline uint64_t ctreplay_be64(const unsigned char *b) {
        return (uint64_t)ctreplay_be32(b) << 32 | ctreplay_be32(b + 4);
    }
    static inline int ctreplay_put64(unsigned char *b, uint64_t value) {
        b[0] = value >> 56; b[1] = value >> 48; b[2] = value >> 40; b[3] = value >> 32;
        b[4] = value >> 24; b[5] = value >> 16; b[6] = value >> 8; b[7] = value;
        return 0;
    }
    static inline int ctreplay_put32le(unsigned char *b, uint32_t value) {
        b[0] = value; b[1] = value >> 8; b[2] = value >> 16; b[3] = value >> 24;
        return 0;
    }
    static inline int ctreplay_put64le(unsigned char *b, uint64_t value) {
        return ctreplay_put32le(b, value) | ctreplay_put32le(b + 4, value >> 32);
    }
    static inline PyObject *ctreplay_copy(const unsigned char *b, Py_ssize_t count) {
        return PyBytes_FromStringAndSize((const char *)b, count);
    }
    /* macros, because a view handed to a function would be counted */
    #define ctreplay_octets_be16(view, at) ctreplay_be16(ctreplay_octets((view).data, (view).shape[0], at, 2))
    #define ctreplay_octets_be32(view, at) ctreplay_be32(ctreplay_octets((view).data, (view).shape[0], at, 4))
    #define ctreplay_octets_le32(view, at) ctreplay_le32(ctreplay_octets((view).data, (view).shape[0], at, 4))
    #define ctreplay_octets_be64(view, at) ctreplay_be64(ctreplay_octets((view).data, (view).shape[0], at, 8))
    #define ctreplay_octets_put64(view, at, value) \
        ctreplay_put64((unsigned char *)ctreplay_octets((view).data, (view).shape[0], at, 8), value)
    #define ctreplay_octets_put64le(view, at, value) \
        ctreplay_put64le((unsigned char *)ctreplay_octets((view).data, (view).shape[0], at, 8), value)
    #define ctreplay_octets_put32le(view, at, value) \
        ctreplay_put32le((unsigned char *)ctreplay_octets((view).data, (view).shape[0], at, 4), value)
    #define ctreplay_octets_copy(view, begin, end) \
        ctreplay_copy(ctreplay_octets((view).data, (view).shape[0], begin, (end) - (begin)), (end) - (begin))
    """
    int be16 "ctreplay_octets_be16"(const unsigned char[::1] b, Py_ssize_t at) noexcept
    unsigned int be32 "ctreplay_octets_be32"(const unsigned char[::1] b, Py_ssize_t at) noexcept
    unsigned int le32 "ctreplay_octets_le32"(const unsigned char[::1] b, Py_ssize_t at) noexcept
    unsigned long long be64 "ctreplay_octets_be64"(const unsigned char[::1] b, Py_ssize_t at) noexcept
    int put64 "ctreplay_octets_put64"(unsigned char[::1] b, Py_ssize_t at, unsigned long long value) noexcept
    int put64le "ctreplay_octets_put64le"(unsigned char[::1] b, Py_ssize_t at, unsigned long long value) noexcept
    int put32le "ctreplay_octets_put32le"(unsigned char[::1] b, Py_ssize_t at, unsigned int value) noexcept
    bytes copy "ctreplay_octets_copy"(const unsigned char[::1] b, Py_ssize_t begin, Py_ssize_t end)
