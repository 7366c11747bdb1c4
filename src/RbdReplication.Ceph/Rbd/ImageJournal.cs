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

    // What a client of the journal is, and what it does (librbd::journal::ClientMetaType, MirrorPeerState).
    private const uint MirrorPeer = 1;
    private const uint Syncing = 0;

    private const string ClientPrefix = "client_";
    private const string TagPrefix = "tag_";
    private const string NextTagKey = "next_tag_tid";

    /// <summary>
    /// Mirror uuids of the peers that make their first copy of the image. What they have replayed is then only where they will begin, and
    /// where the image is demoted before the copy is complete they never complete it ("error bootstrapping replay", 16.2).
    /// </summary>
    public IReadOnlySet<string> Copying { get; init; } = new HashSet<string>();

    /// <summary>
    /// Number of the tag that the last promotion of a demoted image here made, with an entry of its own; null where there was none since a peer was
    /// followed, or where the tag was removed, which happens once all have replayed past it.
    /// </summary>
    public ulong? PromotionTag { get; init; }

    /// <summary>
    /// Whether this is a peer's image of which the first copy is not known to be complete. The mirror daemon creates the journal with a tag that
    /// names the peer, and enters the next one when it begins to replay, within 1.2 s after the last block has come (16.2, fast timers).
    /// </summary>
    public bool IsFirstCopy => NewestTag == 0 && Owner is not ("" or Nobody);

    /// <summary>Whether one of these peers makes its first copy of the image.</summary>
    public bool IsBeingCopiedBy(IEnumerable<string> mirrorUuids) => mirrorUuids.Any(Copying.Contains);

    /// <summary>Whether all of these peers, of which there is one at least, have replayed an entry that was written under the newest tag.</summary>
    public bool IsReplayedBy(IReadOnlyCollection<string> mirrorUuids) =>
        mirrorUuids.Count > 0 && mirrorUuids.All(uuid => !Copying.Contains(uuid) && Replayed.GetValueOrDefault(uuid)?.Tag == NewestTag);

    /// <summary>
    /// Whether all of these peers have replayed an entry that was written here since the last promotion. With the first of them a peer that was primary
    /// before enters a tag that names this site in its own journal; until then that ends in its demotion, whatever it reports (16.2).
    /// </summary>
    public bool IsReplayedSincePromotionBy(IReadOnlyCollection<string> mirrorUuids) =>
        PromotionTag is not { } promotion || mirrorUuids.All(uuid => !Copying.Contains(uuid) && Replayed.GetValueOrDefault(uuid)?.Tag >= promotion);

    /// <summary>Whether all of these peers have replayed all that was written.</summary>
    public bool IsReplayedToTheEndBy(IReadOnlyCollection<string> mirrorUuids) =>
        mirrorUuids.All(uuid => !Copying.Contains(uuid) && Replayed.GetValueOrDefault(uuid) == Written);

    /// <summary>Reads it, in one read. Null: the image has no journal.</summary>
    /// <exception cref="FormatException">It is not encoded as expected.</exception>
    public static async Task<ImageJournal?> ReadAsync(RbdImage image, CancellationToken cancellationToken) =>
        await image.Pool.ListOmapBytesAsync("journal." + image.GetId(), "", cancellationToken).ConfigureAwait(false) is { } entries ? Parse(entries) : null;

    private static ImageJournal? Parse(IReadOnlyDictionary<string, byte[]> entries)
    {
        if (!entries.TryGetValue(NextTagKey, out var next) || new EncodedReader(next).ReadUInt64() is not (> 0 and var following))
            return null;
        var newest = following - 1;
        if (Owners(entries, newest) is not { } owners)
            return null;
        JournalPosition? written = null;
        var replayed = new Dictionary<string, JournalPosition?>(StringComparer.Ordinal);
        var copying = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (key, value) in entries)
        {
            if (!key.StartsWith(ClientPrefix, StringComparison.Ordinal))
                continue;
            var (position, isCopying) = Client(value);
            var peer = key[ClientPrefix.Length..];
            if (peer.Length == 0)
            {
                written = position;
                continue;
            }
            replayed[peer] = position;
            if (isCopying)
                copying.Add(peer);
        }
        return new ImageJournal(newest, owners.Owner, owners.Before, written, replayed) { Copying = copying, PromotionTag = PromotionOf(entries, newest) };
    }

    // Each client that opens the image for writing makes a tag of its own after it.
    private static ulong? PromotionOf(IReadOnlyDictionary<string, byte[]> entries, ulong newest)
    {
        for (var tag = newest; Owners(entries, tag) is (Owner: "", var before); tag--)
        {
            if (before == Nobody)
                return tag;
            if (tag == 0)
                break;
        }
        return null;
    }

    private static (string Owner, string Before)? Owners(IReadOnlyDictionary<string, byte[]> entries, ulong tag)
    {
        if (!entries.TryGetValue(string.Create(CultureInfo.InvariantCulture, $"{TagPrefix}{tag:x16}"), out var bytes))
            return null;
        var content = new EncodedReader(bytes).ReadStructure();
        content.ReadUInt64();
        content.ReadUInt64();
        var owners = new EncodedReader(content.ReadBytes());
        return (owners.ReadText(), owners.ReadText());
    }

    private static (JournalPosition? Position, bool IsCopying) Client(byte[] client)
    {
        var content = new EncodedReader(client).ReadStructure();
        content.ReadBytes();
        var isCopying = IsCopying(content.ReadBytes());
        // Several positions, one for each object that is written in turn; the newest comes first.
        var positions = content.ReadStructure();
        if (positions.ReadUInt32() == 0)
            return (null, isCopying);
        var position = positions.ReadStructure();
        position.ReadUInt64();
        return (new JournalPosition(position.ReadUInt64(), position.ReadUInt64()), isCopying);
    }

    private static bool IsCopying(ReadOnlySpan<byte> data)
    {
        // A client that has only just been registered.
        if (data.IsEmpty)
            return true;
        var content = new EncodedReader(data).ReadStructure();
        if (content.ReadUInt32() != MirrorPeer)
            return false;
        content.ReadBytes();
        return content.ReadUInt32() == Syncing;
    }
}
