using System.Globalization;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>A place in an image's journal.</summary>
/// <param name="Tag">Number of the tag: a time during which the journal had one owner.</param>
/// <param name="Entry">Number of the entry under that tag.</param>
public readonly record struct JournalPosition(ulong Tag, ulong Entry);

/// <summary>
/// What the journal of an image that is mirrored by it shows: who owns it, and how far it has been replayed elsewhere. librbd has no call
/// for that; it is read from the omap of <c>journal.</c> and image id, which is the same in 16.2, 18.2 and 20.2
/// (<c>cls::journal::Client</c>, <c>cls::journal::Tag</c>, <c>librbd::journal::TagData</c>).
/// </summary>
/// <param name="NewestTag">Number of the newest tag.</param>
/// <param name="Owner">Its owner: empty for this site, <see cref="Nobody"/> after a demotion, else the mirror uuid of the site that is followed.</param>
/// <param name="OwnerBefore">The owner before that.</param>
/// <param name="Written">The newest entry that was written here; null where there is none.</param>
/// <param name="Replayed">The newest entry that each peer has replayed, by its mirror uuid; null where it has replayed none.</param>
public sealed record ImageJournal(
    ulong NewestTag, string Owner, string OwnerBefore, JournalPosition? Written, IReadOnlyDictionary<string, JournalPosition?> Replayed)
{
    /// <summary>Owner of the journal of an image that was demoted.</summary>
    public const string Nobody = "<orphan>";

    // There is one client for each peer.
    private const int MaximumKeys = 256;
    private const string ClientPrefix = "client_";
    private const string NextTagKey = "next_tag_tid";

    /// <summary>Whether all of these peers, of which there is one at least, have replayed an entry that was written under the newest tag.</summary>
    public bool IsReplayedBy(IEnumerable<string> mirrorUuids)
    {
        var positions = mirrorUuids.Select(uuid => Replayed.GetValueOrDefault(uuid)).ToList();
        return positions.Count > 0 && positions.All(position => position?.Tag == NewestTag);
    }

    /// <summary>Reads it, in two reads. Null: the image has no journal.</summary>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static async Task<ImageJournal?> ReadAsync(RbdImage image, CancellationToken cancellationToken)
    {
        var name = "journal." + image.GetId();
        var head = await image.Pool.ListOmapBytesAsync(name, MaximumKeys, cancellationToken).ConfigureAwait(false);
        if (head is null || !head.TryGetValue(NextTagKey, out var next) || new EncodedReader(next).ReadUInt64() is not (> 0 and var following))
            return null;
        var tag = following - 1;
        var key = string.Create(CultureInfo.InvariantCulture, $"tag_{tag:x16}");
        return await image.Pool.ReadOmapValueAsync(name, key, cancellationToken).ConfigureAwait(false) is { } bytes ? Parse(head, tag, bytes) : null;
    }

    private static ImageJournal Parse(IReadOnlyDictionary<string, byte[]> head, ulong newest, byte[] tag)
    {
        var content = new EncodedReader(tag).ReadStructure();
        content.ReadUInt64();
        content.ReadUInt64();
        var owners = new EncodedReader(content.ReadBytes());
        var (owner, before) = (owners.ReadText(), owners.ReadText());
        JournalPosition? written = null;
        var replayed = new Dictionary<string, JournalPosition?>(StringComparer.Ordinal);
        foreach (var (key, value) in head)
        {
            if (key == ClientPrefix)
                written = Position(value);
            else if (key.StartsWith(ClientPrefix, StringComparison.Ordinal))
                replayed[key[ClientPrefix.Length..]] = Position(value);
        }
        return new ImageJournal(newest, owner, before, written, replayed);
    }

    // Several positions, one for each object that is written in turn; the newest comes first.
    private static JournalPosition? Position(byte[] client)
    {
        var content = new EncodedReader(client).ReadStructure();
        content.ReadBytes();
        content.ReadBytes();
        var positions = content.ReadStructure();
        if (positions.ReadUInt32() == 0)
            return null;
        var position = positions.ReadStructure();
        position.ReadUInt64();
        return new JournalPosition(position.ReadUInt64(), position.ReadUInt64());
    }
}
