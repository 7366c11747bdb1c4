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

    /// <summary>Versions of librados and librbd, for example <c>librados 3.0.0, librbd 1.16.0</c>. Wraps <c>rados_version</c> and <c>rbd_version</c>.</summary>
    /// <exception cref="DllNotFoundException">A library is not installed.</exception>
    public static string Versions()
    {
        Librados.Version(out var radosMajor, out var radosMinor, out var radosExtra);
        Librbd.Version(out var rbdMajor, out var rbdMinor, out var rbdExtra);
        return $"librados {radosMajor}.{radosMinor}.{radosExtra}, librbd {rbdMajor}.{rbdMinor}.{rbdExtra}";
    }
}
