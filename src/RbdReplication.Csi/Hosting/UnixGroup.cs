using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace RbdReplication.Csi.Hosting;

/// <summary>A group of the system.</summary>
/// <param name="Name">As it was asked for: a name or a number.</param>
/// <param name="Id">Its number.</param>
internal sealed record UnixGroup(string Name, uint Id)
{
    private const string GroupFile = "/etc/group";

    /// <summary>Finds a group by its name in <c>/etc/group</c>, or takes a number as it is: an image need not know its pod's groups.</summary>
    public static bool TryFind(string text, [NotNullWhen(true)] out UnixGroup? group)
    {
        group = null;
        // To chown, the largest number means "leave it".
        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id < uint.MaxValue)
            group = new UnixGroup(text, id);
        else if (text.Length > 0 && File.Exists(GroupFile))
            group = File.ReadLines(GroupFile).Select(line => Read(text, line)).FirstOrDefault(found => found is not null);
        return group is not null;
    }

    // name:password:number:members
    private static UnixGroup? Read(string name, string line) =>
        line.Split(':') is [var found, _, var number, ..] && found == name
        && uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id < uint.MaxValue
            ? new UnixGroup(name, id)
            : null;

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The socket cannot be given the group that was asked for.</summary>
internal sealed class SocketGroupException(string message) : Exception(message);
