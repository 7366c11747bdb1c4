using System.Text.Json.Serialization;
using RbdReplication.Core;

namespace RbdReplication.Csi.Hosting;

/// <summary>What a volume and a volume group have alike in <c>status -o json</c>, and what <c>/api/v1/volumes</c> tells of both beside that.</summary>
internal abstract record ReplicatedJson
{
    protected ReplicatedJson(string pool, string radosNamespace, string role, ReplicationHealth health, string message, FailoverSafety failover)
    {
        Pool = pool;
        Namespace = radosNamespace;
        Role = role;
        Health = StatusWords.Word(health);
        Message = message;
        IsSafeToFailOver = failover.IsSafe;
        FailoverInstant = failover.Instant;
        FailoverReason = failover.Reason;
    }

    public string Pool { get; }

    /// <summary>Rados namespace; empty for the default one.</summary>
    public string Namespace { get; }

    /// <summary>Which copy this site has; of a group the role that was last wanted of its volumes here.</summary>
    public string Role { get; }

    public string Health { get; }

    /// <summary>What is seen and, where something is wrong, what to do.</summary>
    public string Message { get; private init; }

    /// <summary>Whether the site that has not the primary could take over now; null where the reports do not tell.</summary>
    public bool? IsSafeToFailOver { get; }

    /// <summary>The instant that is returned to; null where it is not reported, or of a volume everything is there.</summary>
    public DateTimeOffset? FailoverInstant { get; }

    /// <summary>Why.</summary>
    public string FailoverReason { get; private init; }

    /// <summary>The same row for as long as the image or group is there. This and what follows is for rows only.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    /// <summary>Id of the pool, whose reading it is from.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PoolId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ClusterId { get; init; }

    /// <summary>Interval of the shortest schedule in force at this site; of a group that of its generations.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ScheduleIntervalSeconds { get; init; }

    /// <summary>How much it wants to be looked at: 0 healthy to 3 in error.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Severity { get; init; }

    /// <summary>What the server is doing to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public OperationJson? Pending { get; init; }

    /// <summary>
    /// The largest lag of each of the last 60 minutes in seconds, of a group the age of the newest generation that was taken here; oldest first, the
    /// last one that of the pool's reading. Not in a change.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<int?>? LagOfLastHour { get; init; }

    /// <summary>Gives it.</summary>
    [JsonIgnore]
    public Func<IReadOnlyList<int?>> ReadHistory { get; init; } = () => [];

    /// <summary>Whether it tells nothing new beside an earlier reading but what time alone has changed: ages, and the words that name them.</summary>
    public abstract bool IsOnlyOlderThan(ReplicatedJson before);

    /// <summary>The same with what ages, where volumes and groups have it alike, as it was.</summary>
    protected ReplicatedJson AsOld(ReplicatedJson before) =>
        this with { Message = before.Message, FailoverReason = before.FailoverReason, ReadHistory = before.ReadHistory };
}

/// <summary>A volume.</summary>
internal sealed record VolumeJson : ReplicatedJson
{
    public VolumeJson(MirroredVolume volume)
        : base(volume.Pool, volume.Namespace, StatusWords.Word(volume.Status.Role), volume.Status.Health, volume.Status.Message, volume.Status.Failover)
    {
        var status = volume.Status;
        VolumeHandle = volume.Handle?.ToString();
        PersistentVolume = volume.PersistentVolume;
        Image = status.ImageName;
        Peer = status.Peer;
        LastSyncTime = status.LastSyncTime;
        LagSeconds = status.Lag?.TotalSeconds;
        NewestPointAt = status.DrillableTime;
        Schedules = [.. status.Schedules.Select(schedule => schedule.Interval)];
    }

    /// <summary>Handle at this site; null for an image whose name does not end with a uuid.</summary>
    public string? VolumeHandle { get; }

    /// <summary>Name of the PersistentVolume; null where the journal has none.</summary>
    public string? PersistentVolume { get; }

    public string Image { get; }

    /// <summary>What the peer reports, in a word or two.</summary>
    public string Peer { get; }

    /// <summary>Time of the newest data that the secondary site holds completely; null where no site reports it.</summary>
    public DateTimeOffset? LastSyncTime { get; }

    /// <summary>Age of that data when it was read.</summary>
    public double? LagSeconds { get; private init; }

    /// <summary>When the newest point was taken of which a drill can be made here, or the latest time when that can have been.</summary>
    public DateTimeOffset? NewestPointAt { get; }

    /// <summary>Intervals of the snapshot schedules in force at this site.</summary>
    public IReadOnlyList<string> Schedules { get; private init; }

    public override bool IsOnlyOlderThan(ReplicatedJson before) => before is VolumeJson volume && Schedules.SequenceEqual(volume.Schedules)
        && this with { LagSeconds = volume.LagSeconds, Schedules = volume.Schedules } is var aged && aged.AsOld(volume) == volume;
}

/// <summary>A volume group.</summary>
internal sealed record GroupJson : ReplicatedJson
{
    public GroupJson(GroupStatus group)
        : base(group.Pool, group.Namespace, GroupStateKeys.RoleText(group.State.Role), group.Health, group.Message, group.Failover)
    {
        var (state, newest) = (group.State, group.Newest);
        GroupHandle = group.Handle.ToString();
        Name = group.Name;
        Volumes = group.Members;
        Schedule = state.Schedule?.Interval;
        Generation = newest?.Number;
        GenerationTakenAt = newest?.TakenAt;
        GenerationAgeSeconds = (DateTimeOffset.UtcNow - newest?.TakenAt)?.TotalSeconds;
        ReturnPoint = group.ReturnPoint?.Generation;
        UnfinishedFailover = state.Failover;
        LastFailover = state.LastFailover;
    }

    /// <summary>Handle at this site.</summary>
    public string GroupHandle { get; }

    public string Name { get; }

    /// <summary>Number of its volumes.</summary>
    public int Volumes { get; }

    /// <summary>Interval of its generations; null without one.</summary>
    public string? Schedule { get; }

    /// <summary>The newest generation that was taken here.</summary>
    public long? Generation { get; }

    public DateTimeOffset? GenerationTakenAt { get; }

    public double? GenerationAgeSeconds { get; private init; }

    /// <summary>What a forced promotion would return to, where the volumes were opened for it.</summary>
    public HeldGeneration? ReturnPoint { get; }

    /// <summary>A forced promotion that has not ended.</summary>
    public GroupFailover? UnfinishedFailover { get; }

    public GroupFailover? LastFailover { get; }

    public override bool IsOnlyOlderThan(ReplicatedJson before) => before is GroupJson group
        && this with { GenerationAgeSeconds = group.GenerationAgeSeconds } is var aged && aged.AsOld(group) == group;
}

/// <summary>One drill of <c>status -o json</c> and of <c>/api/v1/volumes</c>.</summary>
internal sealed record DrillJson(string Name, string Pool, string Namespace, DateTimeOffset? CreatedAt)
{
    public DrillJson(string pool, string radosNamespace, DrillEntry drill)
        : this(drill.Name, pool, radosNamespace, drill.CreatedAt)
    {
    }
}
