# C only, like octets.pxd. A build with assertions multiplies as compilers without 128 bits have to: so it is tested.
cdef extern from *:
    """
    #include <stdint.h>

    static inline uint64_t ctreplay_fold(uint64_t a, uint64_t b) {
    #if defined(__SIZEOF_INT128__) && defined(NDEBUG)
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    #else
        uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
        uint64_t left = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
        uint64_t right = (a & UINT32_MAX) * (b >> 32) + (left & UINT32_MAX);
        uint64_t high = (a >> 32) * (b >> 32) + (left >> 32) + (right >> 32);
        return high ^ (right << 32 | (low & UINT32_MAX));
    #endif
    }
    """
    unsigned long long fold "ctreplay_fold"(unsigned long long a, unsigned long long b) noexcept
