using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

/// <summary>Settings of the C library's allocator.</summary>
internal static partial class Malloc
{
    // M_ARENA_MAX of malloc.h.
    private const int ArenaMaximum = -8;

    /// <summary>Sets how many arenas threads spread over.</summary>
    public static void SetArenas(int number)
    {
        try
        {
            _ = MallOpt(ArenaMaximum, number);
        }
        catch (EntryPointNotFoundException)
        {
            // Not glibc: it has no arenas.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int MallOpt(int parameter, int value);
}
