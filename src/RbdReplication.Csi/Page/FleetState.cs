using RbdReplication.Csi.Hosting;

namespace RbdReplication.Csi.Page;

/// <summary>One state of what the page shows, and what of it is new. The bytes are made when they are first asked for.</summary>
internal sealed class FleetState
{
    private readonly Dictionary<string, ReplicatedJson> _rows;
    private readonly Lazy<PackedBytes> _whole;
    private readonly Lazy<PackedBytes> _changes;

    public FleetState(FleetState? before, FleetJson document)
    {
        _rows = document.Volumes.Concat<ReplicatedJson>(document.Groups).ToDictionary(row => row.Id!, StringComparer.Ordinal);
        Version = (before?.Version ?? 0) + 1;
        _whole = new(() => Pack(document with
        {
            Volumes = document.Volumes.Select(row => row with { LagOfLastHour = row.ReadHistory() }),
            Groups = document.Groups.Select(row => row with { LagOfLastHour = row.ReadHistory() }),
        }));
        // Taken now, so that the state before is not kept.
        var changes = Since(before, document);
        _changes = new(() => Pack(changes));
    }

    /// <summary>Grows by one from state to state.</summary>
    public long Version { get; }

    /// <summary>All of it, a <see cref="FleetJson"/>.</summary>
    public PackedBytes Whole => _whole.Value;

    /// <summary>What is new since the state before, a <see cref="FleetJson"/>.</summary>
    public PackedBytes Changes => _changes.Value;

    private FleetJson Since(FleetState? before, FleetJson document)
    {
        List<VolumeJson> volumes = [];
        List<GroupJson> groups = [];
        List<WordsJson> words = [];
        foreach (var row in _rows.Values)
        {
            var earlier = before?._rows.GetValueOrDefault(row.Id!);
            if (earlier is null || !row.IsOnlyOlderThan(earlier))
            {
                if (row is VolumeJson volume)
                    volumes.Add(volume);
                else
                    groups.Add((GroupJson)row);
            }
            else if ((row.Message, row.FailoverReason) != (earlier.Message, earlier.FailoverReason))
            {
                words.Add(new WordsJson(row.Id!, row.Message, row.FailoverReason == earlier.FailoverReason ? null : row.FailoverReason));
            }
        }
        return document with { Volumes = volumes, Groups = groups, Words = words, Removed = before is null ? [] : [.. before._rows.Keys.Where(id => !_rows.ContainsKey(id))] };
    }

    private static PackedBytes Pack(FleetJson document) => PackedBytes.OfJson(document, FleetJsonContext.Default.FleetJson);
}
