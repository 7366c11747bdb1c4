using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace RbdReplication.Csi.Hosting;

/// <summary>A group of the system.</summary>
/// <param name="Name">As it was asked for: a name or a number.</param>
/// <param name="Id">Its number.</param>
internal sealed record UnixGroup(string Name, uint Id)
{
    private const int TooSmall = 34;
    private const int FirstSize = 1024;

    // The members of a group of a directory service are in it too.
    private const int LargestSize = 16 * 1024 * 1024;

    // To chown, the largest number means "leave it".
    private const uint NoId = uint.MaxValue;

    /// <summary>
    /// Finds a group by its name where the system looks for groups (<c>/etc/group</c>, LDAP and others, as its
    /// <c>nsswitch.conf</c> says), or takes a number as it is: an image need not know its pod's groups. Wraps <c>getgrnam_r</c>.
    /// </summary>
    public static bool TryFind(string text, [NotNullWhen(true)] out UnixGroup? group)
    {
        var isNumber = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id);
        if (!isNumber)
            id = text.Contains('\0') ? NoId : IdOf(Encoding.UTF8.GetBytes(text + '\0'));
        group = id == NoId ? null : new UnixGroup(text, id);
        return group is not null;
    }

    private static uint IdOf(byte[] name)
    {
        for (var size = FirstSize; size <= LargestSize; size *= 4)
        {
            var failure = GetGroup(name, out var entry, new byte[size], (nuint)size, out var found);
            if (failure != TooSmall)
                return failure == 0 && found != 0 ? entry.Id : NoId;
        }
        return NoId;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    // struct group; its texts are in the buffer, which may have moved since.
    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public nint Name;
        public nint Password;
        public uint Id;
        public nint Members;
    }

    // LibraryImport would make this project one with unsafe code.
#pragma warning disable SYSLIB1054
    [DllImport("libc", EntryPoint = "getgrnam_r")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetGroup(byte[] name, out Entry entry, [In, Out] byte[] buffer, nuint size, out nint found);
#pragma warning restore SYSLIB1054
}

/// <summary>The socket cannot be given the group that was asked for.</summary>
internal sealed class SocketGroupException(string message) : Exception(message);
