using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>One volume of <c>status -o json</c>, and with more of <c>/api/v1/volumes</c>.</summary>
internal record VolumeJson
{
    public VolumeJson(MirroredVolume volume)
    {
        var status = volume.Status;
        VolumeHandle = volume.Handle?.ToString();
        PersistentVolume = volume.PersistentVolume;
        Pool = volume.Pool;
        Namespace = volume.Namespace;
        Image = status.ImageName;
        Role = StatusWords.Word(status.Role);
        Health = StatusWords.Word(status.Health);
        Peer = status.Peer;
        LastSyncTime = status.LastSyncTime;
        LagSeconds = status.Lag?.TotalSeconds;
        NewestPointAt = status.DrillableTime;
        Schedules = [.. status.Schedules.Select(schedule => schedule.Interval)];
        Message = status.Message;
        IsSafeToFailOver = status.Failover.IsSafe;
        FailoverInstant = status.Failover.Instant;
        FailoverReason = status.Failover.Reason;
    }

    /// <summary>Handle at this site; null for an image whose name does not end with a uuid.</summary>
    public string? VolumeHandle { get; }

    /// <summary>Name of the PersistentVolume; null where the journal has none.</summary>
    public string? PersistentVolume { get; }

    public string Pool { get; }

    /// <summary>Rados namespace; empty for the default one.</summary>
    public string Namespace { get; }

    public string Image { get; }

    /// <summary>Which copy this site has.</summary>
    public string Role { get; }

    public string Health { get; }

    /// <summary>What the peer reports, in a word or two.</summary>
    public string Peer { get; }

    /// <summary>Time of the newest data that the secondary site holds completely; null where no site reports it.</summary>
    public DateTimeOffset? LastSyncTime { get; }

    /// <summary>Age of that data when it was read.</summary>
    public double? LagSeconds { get; }

    /// <summary>When the newest point was taken of which a drill can be made here, or the latest time when that can have been.</summary>
    public DateTimeOffset? NewestPointAt { get; }

    /// <summary>Intervals of the snapshot schedules in force at this site.</summary>
    public IReadOnlyList<string> Schedules { get; }

    /// <summary>What is seen and, where something is wrong, what to do.</summary>
    public string Message { get; }

    /// <summary>Whether the site that has not the primary could take over now; null where the reports do not tell.</summary>
    public bool? IsSafeToFailOver { get; }

    /// <summary>The instant that is returned to; null where it is not reported, or everything is there.</summary>
    public DateTimeOffset? FailoverInstant { get; }

    /// <summary>Why.</summary>
    public string FailoverReason { get; }
}

/// <summary>One volume group of <c>status -o json</c>, and with more of <c>/api/v1/volumes</c>.</summary>
internal record GroupJson
{
    public GroupJson(GroupStatus group)
    {
        var (state, newest) = (group.State, group.Newest);
        GroupHandle = group.Handle.ToString();
        Name = group.Name;
        Pool = group.Pool;
        Namespace = group.Namespace;
        Role = GroupStateKeys.RoleText(state.Role);
        Health = StatusWords.Word(group.Health);
        Volumes = group.Members;
        Schedule = state.Schedule?.Interval;
        Generation = newest?.Number;
        GenerationTakenAt = newest?.TakenAt;
        GenerationAgeSeconds = (DateTimeOffset.UtcNow - newest?.TakenAt)?.TotalSeconds;
        ReturnPoint = group.ReturnPoint?.Generation;
        UnfinishedFailover = state.Failover;
        LastFailover = state.LastFailover;
        Message = group.Message;
        IsSafeToFailOver = group.Failover.IsSafe;
        FailoverInstant = group.Failover.Instant;
        FailoverReason = group.Failover.Reason;
    }

    /// <summary>Handle at this site.</summary>
    public string GroupHandle { get; }

    public string Name { get; }

    public string Pool { get; }

    /// <summary>Rados namespace; empty for the default one.</summary>
    public string Namespace { get; }

    /// <summary>The role that was last wanted of its volumes here.</summary>
    public string Role { get; }

    public string Health { get; }

    /// <summary>Number of its volumes.</summary>
    public int Volumes { get; }

    /// <summary>Interval of its generations; null without one.</summary>
    public string? Schedule { get; }

    /// <summary>The newest generation that was taken here.</summary>
    public long? Generation { get; }

    public DateTimeOffset? GenerationTakenAt { get; }

    public double? GenerationAgeSeconds { get; }

    /// <summary>What a forced promotion would return to, where the volumes were opened for it.</summary>
    public HeldGeneration? ReturnPoint { get; }

    /// <summary>A forced promotion that has not ended.</summary>
    public GroupFailover? UnfinishedFailover { get; }

    public GroupFailover? LastFailover { get; }

    /// <summary>What is seen and, where something is wrong, what to do.</summary>
    public string Message { get; }

    /// <summary>Whether the site that has not the primary could take over now; null where the reports do not tell.</summary>
    public bool? IsSafeToFailOver { get; }

    /// <summary>The instant that is returned to; null where it is not reported.</summary>
    public DateTimeOffset? FailoverInstant { get; }

    /// <summary>Why.</summary>
    public string FailoverReason { get; }
}

/// <summary>One drill of <c>status -o json</c> and of <c>/api/v1/volumes</c>.</summary>
internal sealed record DrillJson(string Name, string Pool, string Namespace, DateTimeOffset? CreatedAt)
{
    public DrillJson(string pool, string radosNamespace, DrillEntry drill)
        : this(drill.Name, pool, radosNamespace, drill.CreatedAt)
    {
    }
}
