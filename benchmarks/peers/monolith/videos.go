package main

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"gorm.io/gorm"
)

const maxPageSize = 50

type tag struct {
	ID   uint   `json:"id" gorm:"primaryKey"`
	Name string `json:"name"`
}

func (tag) TableName() string { return "tags" }

type video struct {
	ID          string `json:"id" gorm:"primaryKey;type:uuid"`
	Video       string `json:"video"`
	Title       string `json:"title"`
	Description string `json:"description"`
	UserID      string `json:"user_id" gorm:"type:uuid"`
	Duration    string `json:"duration"`
	Thumbnail   string `json:"thumbnail"`
	Views       int64  `json:"views"`
	Tags        []tag  `json:"tags" gorm:"many2many:video_tags;joinForeignKey:video_id;joinReferences:tag_id"`
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

func (video) TableName() string { return "videos" }

type videos struct{ db *gorm.DB }

func (v videos) latest(c *gin.Context) {
	v.list(c, v.db.WithContext(c).Model(&video{}))
}

func (v videos) search(c *gin.Context) {
	words := c.Query("q")
	if words == "" {
		fail(c, http.StatusBadRequest, "Say what to search for.")
		return
	}
	like := "%" + words + "%"
	v.list(c, v.db.WithContext(c).Model(&video{}).
		Where("title ILIKE ? OR description ILIKE ?", like, like))
}

func (v videos) list(c *gin.Context, found *gorm.DB) {
	number := max(1, numberOf(c, "page", 1))
	size := min(maxPageSize, numberOf(c, "page_size", 10))
	if size < 1 {
		size = 10
	}
	// Otherwise the second query would have the conditions of the first one twice.
	found = found.Session(&gorm.Session{})
	var total int64
	if err := found.Count(&total).Error; err != nil {
		fail(c, http.StatusInternalServerError, "Something went wrong.")
		return
	}
	rows := []video{}
	err := found.Preload("Tags").Order("created_at DESC").
		Offset((number - 1) * size).Limit(size).Find(&rows).Error
	if err != nil {
		fail(c, http.StatusInternalServerError, "Something went wrong.")
		return
	}
	succeed(c, http.StatusOK, page{Data: rows, Page: number, PageSize: size, Total: total})
}

func (v videos) one(c *gin.Context) {
	v.answer(c, v.db.WithContext(c))
}

func (v videos) countView(c *gin.Context) {
	counted := v.db.WithContext(c).Model(&video{}).Where("id = ?", c.Param("id")).
		UpdateColumn("views", gorm.Expr("views + 1"))
	if counted.Error != nil {
		fail(c, http.StatusInternalServerError, "Something went wrong.")
		return
	}
	v.answer(c, v.db.WithContext(c))
}

func (v videos) answer(c *gin.Context, db *gorm.DB) {
	var found video
	err := db.Preload("Tags").First(&found, "id = ?", c.Param("id")).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		fail(c, http.StatusNotFound, "There is no such video.")
	} else if err != nil {
		fail(c, http.StatusInternalServerError, "Something went wrong.")
	} else {
		succeed(c, http.StatusOK, found)
	}
}

func numberOf(c *gin.Context, name string, otherwise int) int {
	number, err := strconv.Atoi(c.Query(name))
	if err != nil {
		return otherwise
	}
	return number
}
