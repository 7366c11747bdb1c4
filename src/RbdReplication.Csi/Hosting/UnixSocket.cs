using System.Net.Sockets;

namespace RbdReplication.Csi.Hosting;

/// <summary>The file of the server's unix socket.</summary>
internal static class UnixSocket
{
    /// <summary>Owner and group may connect: whoever does can promote and demote volumes of the users it has keys for.</summary>
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Makes way for a new socket: a file that nobody listens on, left by a crash, is removed.</summary>
    /// <returns>What stands in the way; null if nothing does.</returns>
    public static string? MakeWay(string path)
    {
        if (!File.Exists(path))
            return Directory.Exists(Path.GetDirectoryName(path)) ? null : $"the directory of {path} does not exist";
        // A plain file or a link is nothing that a crashed server leaves behind.
        if (File.GetAttributes(path).HasFlag(FileAttributes.ReparsePoint) || CanBeOpened(path))
            return $"{path} exists and is no socket";
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return $"another server is listening on {path}";
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return null;
        }
        catch (SocketException e)
        {
            return $"{path} cannot be used: {e.Message}";
        }
    }

    // Sockets cannot be opened like files (ENXIO). With writing asked for, a pipe does not wait for its other end.
    private static bool CanBeOpened(string path)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Sets the socket's access mode.</summary>
    public static void Restrict(string path) => File.SetUnixFileMode(path, Mode);
}
