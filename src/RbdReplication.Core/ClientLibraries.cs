using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>What of librados and librbd concerns the whole process.</summary>
public static class ClientLibraries
{
    /// <inheritdoc cref="CephLibraries.ShareMemory"/>
    public static void ShareMemory() => CephLibraries.ShareMemory();

    /// <summary>
    /// Runs what librbd may end this process by, where the executable was started for that: a child of a server that takes snapshots.
    /// </summary>
    /// <param name="arguments">Those of the executable.</param>
    /// <returns>Its exit status; null where the executable was started for something else.</returns>
    public static Task<int>? RunApart(string[] arguments) => ApartProgram.IsAskedFor(arguments) ? ApartProgram.RunAsync() : null;
}
