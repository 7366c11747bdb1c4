using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>Settings of librados and librbd that hold for the whole process.</summary>
public static class ClientLibraries
{
    /// <inheritdoc cref="CephLibraries.ShareMemory"/>
    public static void ShareMemory() => CephLibraries.ShareMemory();
}
