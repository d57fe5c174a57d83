cdef extern from *:
    """
    #if defined(__linux__)
    #include <stdint.h>
    #include <sys/mman.h>
    #define CTREPLAY_PAGE ((uintptr_t)2 << 20)
    #define CTREPLAY_CHUNK (16 * CTREPLAY_PAGE)

    /* a new large page is costly where a hypervisor must find memory for it: worth it for big tables only */
    #define CTREPLAY_SMALL_CHUNKS 8

    static char *ctreplay_next, *ctreplay_end;
    static int ctreplay_chunks;

    /* arenas are parts of chunks that begin where a large page does */
    static void *ctreplay_arena(void *context, size_t size) {
        (void)context;
        if ((size_t)(ctreplay_end - ctreplay_next) < size) {
            char *got = (char *)mmap(NULL, CTREPLAY_CHUNK + CTREPLAY_PAGE, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (got == (char *)MAP_FAILED)
                return NULL;
            size_t before = -(uintptr_t)got % CTREPLAY_PAGE;
            if (before)
                munmap(got, before);
            ctreplay_next = got + before;
            ctreplay_end = ctreplay_next + CTREPLAY_CHUNK;
            munmap(ctreplay_end, CTREPLAY_PAGE - before);
            if (++ctreplay_chunks > CTREPLAY_SMALL_CHUNKS)
                madvise(ctreplay_next, CTREPLAY_CHUNK, MADV_HUGEPAGE);
        }
        ctreplay_next += size;
        return ctreplay_next - size;
    }

    /* also for those that the interpreter's own allocator has mapped */
    static void ctreplay_arena_free(void *context, void *arena, size_t size) {
        (void)context;
        munmap(arena, size);
    }

    static void ctreplay_take_arenas(void) {
        PyObjectArenaAllocator ours = {NULL, ctreplay_arena, ctreplay_arena_free};
        PyObject_SetArenaAllocator(&ours);
    }

    static void ctreplay_advise(PyObject **start, Py_ssize_t count) {
        uintptr_t from = ((uintptr_t)start + CTREPLAY_PAGE - 1) & ~(CTREPLAY_PAGE - 1);
        uintptr_t to = (uintptr_t)(start + count) & ~(CTREPLAY_PAGE - 1);
        if (from < to)
            madvise((void *)from, to - from, MADV_HUGEPAGE);
    }
    #else
    static void ctreplay_take_arenas(void) {}
    static void ctreplay_advise(PyObject **start, Py_ssize_t count) { (void)start; (void)count; }
    #endif

    /* advised before it is written for the first time: then it costs nothing */
    static PyObject *ctreplay_list_of_none(Py_ssize_t count) {
        PyObject *list = PyList_New(count);
        if (!list)
            return NULL;
        ctreplay_advise(((PyListObject *)list)->ob_item, count);
        for (Py_ssize_t i = 0; i < count; i++) {
            Py_INCREF(Py_None);
            PyList_SET_ITEM(list, i, Py_None);
        }
        return list;
    }
    """
    void take_arenas "ctreplay_take_arenas"() noexcept
    list list_of_none "ctreplay_list_of_none"(Py_ssize_t)

cdef bint _COMPILED

cpdef for_objects()
cpdef list nones(Py_ssize_t count)
