using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>The client libraries that this process has loaded.</summary>
public static class CephLibraries
{
    /// <summary>
    /// Keeps the libraries' memory together. By default each of their threads, a dozen a connection, gets an arena of its
    /// own and keeps what it once needed: several MiB apiece that no other thread can use. To be called before any of them
    /// starts; an explicit <c>MALLOC_ARENA_MAX</c> wins.
    /// </summary>
    public static void ShareMemory()
    {
        if (Environment.GetEnvironmentVariable("MALLOC_ARENA_MAX") is null)
            Malloc.SetArenas(1);
    }
}
