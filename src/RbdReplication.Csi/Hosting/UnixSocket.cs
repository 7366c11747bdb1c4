using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace RbdReplication.Csi.Hosting;

/// <summary>The file of the server's unix socket, and the way to those of others.</summary>
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

    /// <summary>
    /// Binds a socket with its mode and group. Nobody can connect before somebody listens on it, so there is no moment at which
    /// others than those may.
    /// </summary>
    /// <exception cref="SocketGroupException">The process may not give the file this group.</exception>
    public static Socket Bind(UnixDomainSocketEndPoint endPoint, UnixGroup? group)
    {
        var path = endPoint.ToString();
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(endPoint);
            File.SetUnixFileMode(path, Mode);
            if (group is not null && ChangeOwner(Encoding.UTF8.GetBytes(path + '\0'), LeaveAsItIs, group.Id) != 0)
                throw new SocketGroupException($"--socket-group: {path} cannot be given the group {group}: {Marshal.GetLastPInvokeErrorMessage()}; the process must be a member of it");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>HTTP to whoever listens on the socket at <paramref name="path"/>; each new connection looks for it again.</summary>
    public static SocketsHttpHandler HttpHandler(string path) => new()
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    private const uint LeaveAsItIs = uint.MaxValue;

    // LibraryImport would make this project one with unsafe code.
#pragma warning disable SYSLIB1054
    [DllImport("libc", EntryPoint = "chown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ChangeOwner(byte[] path, uint user, uint group);
#pragma warning restore SYSLIB1054
}
